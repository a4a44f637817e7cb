"""Hands the messages of ``publish_many`` to the outbox of the open database transaction."""

from __future__ import annotations

from typing import Any

from celery import Celery

from proj.broker import deadline
from proj.errors import BrokerUnavailable
from proj.publishing.ahead import OneByOne
from proj.publishing.outcomes import Outcomes

__all__ = ["IntoOutbox"]


class IntoOutbox(OneByOne):
    """Inserts messages in bulk; one whose task or call wants no outbox is published now."""

    def __init__(self, app: Celery, outcomes: Outcomes, seconds: float) -> None:
        super().__init__(app, None, outcomes, seconds)

    def _publish_singly(self) -> None:
        while self._unsent:
            keeper = self._unsent[0].keeper
            if keeper is not None:
                self._keep(keeper)
            elif self.ended is None:
                self._publish_now()
            else:
                message = self._unsent.popleft()
                self.outcomes.add(message, self._error(BrokerUnavailable, message, self.ended))

    def _publish_now(self) -> None:
        with deadline.within(self.seconds), self.app.producer_or_acquire() as producer:
            self.producer = producer
            error = self._publish_one(self._unsent[0])
        self.outcomes.add(self._unsent.popleft(), error)

    def _keep(self, keeper: Any) -> None:
        run = []
        while self._unsent and self._unsent[0].keeper is not None:
            run.append(self._unsent.popleft())
        keeper.keep_all(run)
        for message in run:
            self.outcomes.add(message)

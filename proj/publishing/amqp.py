"""What ``app.amqp`` is with the plug-in: Celery's own, over our connections and producers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP as CeleryAMQP

from proj.broker.connection import Connection
from proj.configuration import work_queue_settings
from proj.publishing.delays import delay, leave_delayed_way
from proj.publishing.pool import drop_after_fork, producers
from proj.publishing.producer import Producer
from proj.publishing.task_message import Composer

__all__ = ["AMQP"]

HISTORY = ("x-attempts", "x-dead-letter-", "x-death", "x-first-death-", "x-last-death-")
"""What headers tell of one message's past; a retry is a new message, and Celery copies them."""


class AMQP(CeleryAMQP):
    """Celery's messaging of an app with the plug-in (``app.amqp_cls``)."""

    Connection = Connection
    BrokerConnection = Connection
    Producer = Producer
    _producer_pool: Any

    def __init__(self, app: Celery) -> None:
        super().__init__(app)
        drop_after_fork(app)

    @cached_property
    def publish_deadline_seconds(self) -> float:
        """How long sending a task may take, unless the call says otherwise."""
        return work_queue_settings(self.app).publish_deadline_seconds

    @property
    def producer_pool(self) -> Any:
        """The pool of producers that everything of the app publishes with."""
        if self._producer_pool is None:
            self._producer_pool = producers[self.app.connection_for_write()]
            self._producer_pool.limit = self.app.pool.limit
        return self._producer_pool

    publisher_pool = producer_pool

    def _create_task_sender(self) -> Callable[..., Any]:
        send = super()._create_task_sender()

        def send_task_message(producer: Any, name: str, message: Any, **options: Any) -> Any:
            """Publish a task's message; one that no queue takes comes back, and is an error."""
            options.setdefault("mandatory", True)
            if options.get("headers"):
                options["headers"] = _without_history(options["headers"])
            leave_delayed_way(options)
            delay(self.app, producer, message, options)
            if isinstance(producer, Composer):
                return producer.keep(send, name, message, options)
            return send(producer, name, message, **options)

        return send_task_message


def _without_history(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if not name.startswith(HISTORY)}

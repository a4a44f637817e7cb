"""Publishes what was left in the outbox: its process died, or the broker was down.

Any number of relays may run side by side: each takes messages for some seconds, in which no other
one has them. One relay publishes in the order of the calls; what fails is overtaken by the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, close_old_connections, connections, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from proj.broker import deadline
from proj.contrib.django.models import OutboxMessage
from proj.contrib.django.publication import BROKER_LOST, TOGETHER, publish_together
from proj.publishing.failures import as_publish_error

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["Relay", "Relayed"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0
LONGEST_RETRY_SECONDS = 600

PUBLISH_SECONDS = 10.0
"""How long a batch may take; what is not sent by then goes back."""

TAKEN_SECONDS = 20.0
"""How long a batch is out of the others' reach; after that its relay is taken for dead."""


@dataclass(frozen=True)
class Relayed:
    """What became of the messages that were taken: published, or back in the outbox."""

    published: int = 0
    failed: int = 0


class Relay:
    """Takes messages from the outbox in the database ``alias``."""

    def __init__(self, app: Celery, alias: str) -> None:
        self.app = app
        self.alias = alias
        self.messages: Any = OutboxMessage.objects.using(alias)

    def run(self, stopping: Event, report: Callable[[Relayed], None] = lambda _: None) -> None:
        """Relay until ``stopping`` is set; a broker or database that is away is waited for."""
        pause, told = POLL_SECONDS, ""
        try:
            while not stopping.wait(pause):
                close_old_connections()
                try:
                    relayed = self.relay_batch()
                    if relayed != Relayed():
                        report(relayed)
                    pause, told = (0.0 if relayed.published else POLL_SECONDS), ""
                except (DatabaseError, OperationalError) as error:
                    pause = min(2 * pause or POLL_SECONDS, LONGEST_PAUSE_SECONDS)
                    if str(error) != told:
                        told = str(error)
                        logger.warning("The outbox in %r waits: %s", self.alias, told)
                finally:
                    close_old_connections()
        finally:
            connections.close_all()

    def relay_batch(self) -> Relayed:
        """Publish the messages that are due, at most a batch.

        Raises :class:`proj.errors.PublishError`, which is Kombu's ``OperationalError``, where the
        broker is away, and Django's ``DatabaseError``.
        """
        if not self._due().exists():
            return Relayed()
        self._reach_broker()
        taken = self._take()
        published = self._publish(taken)
        return Relayed(published, len(taken) - published)

    def _due(self) -> Any:
        return self.messages.filter(retry_at__lte=timezone.now())

    def _reach_broker(self) -> None:
        # Before any message is taken: none of them is to blame for a broker that is away.
        with (
            deadline.within(PUBLISH_SECONDS),
            self.app.producer_or_acquire() as producer,
        ):
            connection = producer.connection
            try:
                with connection._reraise_as_library_errors():  # noqa: SLF001 - as Celery does
                    connection.connect()
            except OperationalError as error:
                raise as_publish_error(error, connection.as_uri(), {}) from error

    def _take(self) -> list[OutboxMessage]:
        skip_locked = connections[self.alias].features.has_select_for_update_skip_locked
        with transaction.atomic(using=self.alias):
            due = self._due().order_by("pk").select_for_update(skip_locked=skip_locked)
            taken = list(due[:TOGETHER])
            self.messages.filter(pk__in=[each.pk for each in taken]).update(
                retry_at=timezone.now() + timedelta(seconds=TAKEN_SECONDS)
            )
        return taken

    def _publish(self, taken: list[OutboxMessage]) -> int:
        published: list[int] = []
        untried = {message.pk for message in taken}
        lost: list[Exception] = []

        def note(message: OutboxMessage, error: Exception | None) -> None:
            if error is None:
                published.append(message.pk)
            elif lost:
                return
            else:
                self._note_failure(message, error)
                # Perhaps the message broke the connection: it waits, the others go first.
                if isinstance(error, BROKER_LOST):
                    lost.append(error)
            untried.discard(message.pk)

        try:
            with deadline.within(PUBLISH_SECONDS):
                publish_together(self.app, taken, note)
        finally:
            self.messages.filter(pk__in=published).delete()
            self.messages.filter(pk__in=untried).update(retry_at=timezone.now())
        if lost:
            raise lost[0]
        return len(published)

    def _note_failure(self, message: OutboxMessage, error: Exception) -> None:
        attempts = message.attempts + 1
        seconds = min(2**attempts, LONGEST_RETRY_SECONDS)
        retry_at = timezone.now() + timedelta(seconds=seconds)
        self.messages.filter(pk=message.pk).update(
            attempts=attempts, error=str(error) or repr(error), retry_at=retry_at
        )
        logger.error(
            "Outbox message %d, %s, was not published; attempt %d, the next one in %d s: %s",
            message.pk, message, attempts, seconds, str(error) or repr(error),
        )  # fmt: skip

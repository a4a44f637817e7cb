"""Publishes what was left in the outbox: its process died, or the broker was down.

Any number of relays may run side by side: each takes messages for some seconds, in which no other
one has them. One relay publishes in the order of the calls; what fails is overtaken by the others.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, close_old_connections, connections, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from proj.broker import deadline
from proj.configuration import work_queue_settings
from proj.contrib.django.models import OutboxMessage
from proj.contrib.django.outbox import databases
from proj.contrib.django.publication import publish
from proj.errors import BrokerUnavailable, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

__all__ = ["Relay", "Relayed"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0
BATCH = 100
PUBLISH_SECONDS = 10.0
"""How long a batch may take; what is not sent by then goes back."""

TAKEN_SECONDS = 20.0
"""How long a batch is out of the others' reach; after that its relay is taken for dead."""

LONGEST_RETRY_SECONDS = 600


@dataclass(frozen=True)
class Relayed:
    """What became of the messages that were taken: published, or back in the outbox."""

    published: int
    failed: int


class Relay:
    """Takes messages from the outboxes of ``app``, in one thread with its own connections."""

    def __init__(self, app: Celery) -> None:
        self.app = app

    def run(self, stopping: Event, report: Callable[[Relayed], None] | None = None) -> None:
        """Relay until ``stopping`` is set; a broker or database that is away is waited for."""
        pause = POLL_SECONDS
        try:
            while not stopping.wait(pause):
                close_old_connections()
                try:
                    relayed = self.relay_batch()
                    if report is not None and relayed != Relayed(0, 0):
                        report(relayed)
                    pause = 0.0 if relayed.published else POLL_SECONDS
                except (DatabaseError, OperationalError) as error:
                    pause = min(2 * pause or POLL_SECONDS, LONGEST_PAUSE_SECONDS)
                    logger.warning("The outbox waits, next attempt in %.0f s: %s", pause, error)
                finally:
                    close_old_connections()
        finally:
            connections.close_all()

    def relay_batch(self) -> Relayed:
        """Publish the messages that are due, at most a batch of each database.

        Raises Kombu's ``OperationalError``, :class:`proj.errors.PublishError` too, where the broker
        is away, and Django's ``DatabaseError``.
        """
        published = failed = 0
        for alias in databases(work_queue_settings(self.app)):
            if not _due(alias).exists():
                continue
            self._reach_broker()
            taken = _take(alias)
            sent = self._publish(taken, alias)
            published += sent
            failed += len(taken) - sent
        return Relayed(published, failed)

    def _reach_broker(self) -> None:
        # Before any message is taken: none of them is to blame for a broker that is away.
        with (
            deadline.within(PUBLISH_SECONDS),
            self.app.producer_or_acquire() as producer,
            producer.connection._reraise_as_library_errors(),  # noqa: SLF001 - as Celery does
        ):
            producer.connection.connect()

    def _publish(self, taken: list[OutboxMessage], alias: str) -> int:
        objects = OutboxMessage.objects.using(alias)
        unsent = {message.pk for message in taken}
        sent: list[int] = []
        try:
            with deadline.within(PUBLISH_SECONDS):
                for message in taken:
                    if not deadline.remaining():
                        break
                    try:
                        publish(self.app, message)
                    except Exception as error:
                        unsent.discard(message.pk)
                        _note_failure(objects, message, error)
                        # Perhaps the message broke the connection: it waits, the others go first.
                        if isinstance(error, (BrokerUnavailable, OutcomeUnknown)):
                            raise
                    else:
                        unsent.discard(message.pk)
                        sent.append(message.pk)
        finally:
            objects.filter(pk__in=sent).delete()
            objects.filter(pk__in=unsent).update(retry_at=timezone.now())
        return len(sent)


def _due(alias: str) -> Any:
    return OutboxMessage.objects.using(alias).filter(retry_at__lte=timezone.now())


def _take(alias: str) -> list[OutboxMessage]:
    skip_locked = connections[alias].features.has_select_for_update_skip_locked
    with transaction.atomic(using=alias):
        due = _due(alias).order_by("pk").select_for_update(skip_locked=skip_locked)
        taken = list(due[:BATCH])
        OutboxMessage.objects.using(alias).filter(pk__in=[each.pk for each in taken]).update(
            retry_at=timezone.now() + timedelta(seconds=TAKEN_SECONDS)
        )
    return taken


def _note_failure(objects: Any, message: OutboxMessage, error: Exception) -> None:
    attempts = message.attempts + 1
    seconds = min(2**attempts, LONGEST_RETRY_SECONDS)
    objects.filter(pk=message.pk).update(
        attempts=attempts, error=str(error), retry_at=timezone.now() + timedelta(seconds=seconds)
    )
    logger.error(
        "Outbox message %d, task %s[%s], was not published, attempt %d, the next one in %d s: %s",
        message.pk, message.task, message.task_id, attempts, seconds, error or repr(error),
    )  # fmt: skip

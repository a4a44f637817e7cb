"""Keeps a task with the open database transaction, and publishes it once that has committed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections, router, transaction

from proj.broker import deadline
from proj.configuration import work_queue_settings
from proj.contrib.django.keeping import KeepingProducer
from proj.contrib.django.models import OutboxMessage
from proj.contrib.django.publication import BROKER_LOST, publish
from proj.errors import PublishError
from proj.settings import Settings, task_option

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["Outbox", "databases"]

logger = logging.getLogger(__name__)

READ_AT_ONCE = 500

NOT_SYNCED = "set_config('synchronous_commit', 'off', true) = 'off'"
"""PostgreSQL: this deletion does not wait for the disk. A power cut may undo it, for a duplicate.
https://www.postgresql.org/docs/current/wal-async-commit.html
"""

MOST_TOGETHER = 5_000
"""More than a commit can publish in its time; the others wait for a relay, not in memory."""

PAUSE_SECONDS = 5.0
"""How long a process leaves all to the relays once a broker has cost it the bound."""


class Outbox:
    """The hook ``outbox`` of ``app.send_task`` (:class:`proj.publishing.send_task.SendTask`)."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._resume_at = 0.0

    def __call__(self, task_name: str, option: bool | None) -> KeepingProducer | None:  # noqa: FBT001 - the call's own option
        """Return a producer that keeps a task in the outbox, None for one to publish now.

        ``option`` is the call's, which goes before the task's, before ``WORK_QUEUE_OUTBOX``.
        """
        alias = self._database_in_transaction()
        if alias is None:
            return None
        for wanted in (option, task_option(self.app.tasks.get(task_name), "outbox")):
            if wanted is not None:
                return KeepingProducer(self, alias) if wanted else None
        return KeepingProducer(self, alias) if self.settings.outbox else None

    @cached_property
    def settings(self) -> Settings:
        """The app's settings, validated."""
        return work_queue_settings(self.app)

    def publish_after_commit(self, message: OutboxMessage, alias: str) -> None:
        """Let ``message``, written in the transaction of ``alias``, be published as it commits."""
        hooks = connections[alias].run_on_commit
        # One publication for messages that follow each other; another hook keeps its place.
        before = hooks[-1][1] if hooks else None
        together = before.together if isinstance(before, Publication) else []
        if len(together) == MOST_TOGETHER:
            return
        together.append(message)
        transaction.on_commit(Publication(self, alias, message, together), using=alias)

    def publish(self, messages: list[OutboxMessage], alias: str) -> None:
        """Publish ``messages`` within ``WORK_QUEUE_OUTBOX_PUBLISH_SECONDS``.

        What could not be published stays, for a relay. Raises nothing: the transaction has
        committed, whatever becomes of its tasks now.
        """
        if monotonic() < self._resume_at:
            return
        sent: list[int] = []
        try:
            with deadline.within(self.settings.outbox_publish_seconds):
                for message in _committed(messages, alias):
                    if not deadline.remaining():
                        break
                    publish(self.app, message, expects_result=True)
                    sent.append(message.pk)
        except PublishError as error:
            if isinstance(error, BROKER_LOST):
                self._resume_at = monotonic() + PAUSE_SECONDS
            logger.warning(
                "%d of %d tasks stay in the outbox until a relay has sent them: %s",
                len(messages) - len(sent), len(messages), error,
            )  # fmt: skip
        except Exception:
            logger.exception("Tasks %s stay in the outbox until a relay has sent them", messages)
        if sent:
            self._delete(sent, alias)

    def _delete(self, sent: list[int], alias: str) -> None:
        try:
            messages = OutboxMessage.objects.using(alias).filter(pk__in=sent)
            if connections[alias].vendor == "postgresql":
                messages = messages.extra(where=[NOT_SYNCED])  # noqa: S610 - a constant
            messages._raw_delete(alias)  # noqa: SLF001 - delete() would open a transaction
        except DatabaseError as error:
            logger.warning("%d tasks will be sent twice, by a relay too: %s", len(sent), error)

    def _database_in_transaction(self) -> str | None:
        in_transaction = {
            each.alias for each in connections.all(initialized_only=True) if each.in_atomic_block
        }
        if not in_transaction:
            return None
        return next((each for each in databases(self.settings) if each in in_transaction), None)


@dataclass
class Publication:
    """One message's ``on_commit`` hook; the first to run publishes those beside it as well."""

    outbox: Outbox
    alias: str
    message: OutboxMessage
    together: list[OutboxMessage]

    def __call__(self) -> None:
        # A test that runs hooks inside its own transaction runs them one by one.
        if connections[self.alias].in_atomic_block:
            messages = [self.message]
        else:
            messages = self.together.copy()
            self.together.clear()
        if messages:
            self.outbox.publish(messages, self.alias)


def databases(settings: Settings) -> list[str]:
    """Return the aliases of the databases that have an outbox, the routers' own choice first."""
    if settings.outbox_database is not None:
        return [settings.outbox_database]
    first = router.db_for_write(OutboxMessage)
    others = [alias for alias in connections if alias != first]
    return [each for each in (first, *others) if router.allow_migrate_model(each, OutboxMessage)]


def _committed(messages: list[OutboxMessage], alias: str) -> Iterator[OutboxMessage]:
    if not connections[alias].savepoint_state:
        yield from messages
        return
    # What a savepoint took with it is still in the list, and Django runs the hooks of one that was
    # rolled back by hand.
    for start in range(0, len(messages), READ_AT_ONCE):
        part = [message.pk for message in messages[start : start + READ_AT_ONCE]]
        yield from OutboxMessage.objects.using(alias).filter(pk__in=part).order_by("pk")

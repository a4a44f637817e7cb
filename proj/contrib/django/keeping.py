"""Writes a task's message into the outbox instead of publishing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import kombu
from django.db import DatabaseError, connections
from django.utils import timezone
from kombu.utils import json

from proj.contrib.django.models import OutboxMessage
from proj.publishing.no_channel import NoChannel

if TYPE_CHECKING:
    from proj.contrib.django.outbox import Outbox
    from proj.publishing.task_message import TaskMessage

__all__ = ["KeepingProducer"]

COMMIT_SECONDS = 1.0
"""What a commit may take beside its publication, before a relay looks at the message."""

OF_THE_CALL = {"retry", "retry_policy", "timeout", "confirm_timeout"}
"""Options of a publish that say how to do it, and are no part of the message."""


class KeepingProducer(kombu.Producer):
    """A producer with no connection, whose ``publish`` inserts into the database ``alias``."""

    is_outbox = True
    channel = NoChannel()

    def __init__(self, outbox: Outbox, alias: str) -> None:
        super().__init__(None)
        self.outbox = outbox
        self.alias = alias

    @cached_property
    def connection(self) -> Any:
        """The broker's connection, which is never opened."""
        return self.outbox.app.connection_for_write()

    def publish(
        self,
        body: Any,
        routing_key: str | None = None,
        *,
        headers: dict[str, Any] | None = None,
        serializer: str | None = None,
        compression: str | None = None,
        **options: Any,
    ) -> None:
        """Serialise ``body`` and insert the message.

        Raises what Kombu says of a body or headers that it cannot encode, and ``DatabaseError``.
        """
        headers = {} if headers is None else headers
        body, content_type, content_encoding = self._prepare(
            body, serializer, None, None, compression, headers
        )
        options.update(content_type=content_type, content_encoding=content_encoding)
        message = self._row(body, routing_key=routing_key, headers=headers, **options)
        with self._inserting():
            message.save(force_insert=True, using=self.alias)
        self.outbox.publish_after_commit(message, self.alias)

    def keep_all(self, messages: Iterable[TaskMessage]) -> None:
        """Insert messages of ``publish_many`` together; raises ``DatabaseError``."""
        rows = [self._row(message.body, **message.options) for message in messages]
        with self._inserting():
            if connections[self.alias].features.can_return_rows_from_bulk_insert:
                OutboxMessage.objects.using(self.alias).bulk_create(rows)
            else:
                for row in rows:
                    row.save(force_insert=True, using=self.alias)
        for row in rows:
            self.outbox.publish_after_commit(row, self.alias)

    @contextmanager
    def _inserting(self) -> Iterator[None]:
        table = OutboxMessage._meta.db_table  # noqa: SLF001 - Django's public name for it
        try:
            yield
        except DatabaseError as error:
            if table not in str(error):
                raise
            raise type(error)(
                f"The outbox in the database {self.alias!r} cannot be written. Its table is made "
                f"by manage.py migrate --database={self.alias}; if that database is to have none, "
                f"let a router say so (allow_migrate), or set WORK_QUEUE_OUTBOX_DATABASE. {error}"
            ) from error

    def _row(
        self,
        body: Any,
        *,
        routing_key: str | None,
        headers: dict[str, Any],
        exchange: Any = "",
        declare: Any = (),
        **options: Any,
    ) -> OutboxMessage:
        properties = {name: value for name, value in options.items() if name not in OF_THE_CALL}
        properties["declare"] = [
            each.name for each in declare or () if isinstance(each, kombu.Queue)
        ]
        now = timezone.now()
        seconds = self.outbox.settings.outbox_publish_seconds + COMMIT_SECONDS
        return OutboxMessage(
            task_id=headers.get("id") or options.get("correlation_id") or "",
            exchange=getattr(exchange, "name", exchange) or "",
            routing_key=routing_key or "",
            headers=json.dumps(headers),
            properties=json.dumps(properties),
            body=body.encode() if isinstance(body, str) else body,
            created=now,
            retry_at=now + timedelta(seconds=seconds),
        )

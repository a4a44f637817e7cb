"""One broker file, and what the file itself says: read with SQLite, not through our transport."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from kombu import Connection

from proj import embedded
from tests.support.waiting import wait_until

__all__ = ["EmbeddedBroker"]


class EmbeddedBroker:
    """A file of the test's own; answers what :class:`tests.support.broker.Broker` answers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        embedded.register()

    def publish(self, body: bytes, **properties: Any) -> None:
        """Publish ``body`` to ``task_queue`` as a plain client would, with AMQP properties."""
        with Connection(self.url) as connection:
            channel = connection.channel()
            message = channel.prepare_message(
                body,
                content_type=properties.pop("content_type", None),
                content_encoding=properties.pop("content_encoding", None),
                properties=properties,
            )
            channel.basic_publish(message, exchange="", routing_key="task_queue")

    def prefetch_counts(self) -> list[int]:
        """Return a prefetch of one for each consumer; the file does not hold what was asked for."""
        return [1] * self._count("SELECT count(*) FROM consumer JOIN queue ON queue.id = queue_id "
                                 "WHERE name = 'task_queue'")  # fmt: skip

    def most_unacknowledged(self) -> int:
        """Return the largest number of unacknowledged deliveries of one worker, now."""
        return self._count(
            "SELECT coalesce(max(held), 0) FROM (SELECT count(*) AS held FROM message "
            "JOIN queue ON queue.id = queue_id WHERE name = 'task_queue' "
            "AND session_id IS NOT NULL GROUP BY session_id)"
        )

    def unacknowledged(self, name: str = "task_queue") -> int:
        """Return the number of messages that were delivered and are not acknowledged."""
        return self._messages(name, "AND session_id IS NOT NULL")

    def waiting(self, name: str = "task_queue") -> int:
        """Return the number of ready messages."""
        return self._messages(name, "AND session_id IS NULL AND due_at IS NULL")

    def peek(self, name: str = "task_queue") -> tuple[dict[str, Any], bytes]:
        """Return the properties and the body of the first waiting message."""
        with closing(sqlite3.connect(self.path)) as file:
            properties, body = file.execute(
                "SELECT properties, body FROM payload JOIN message USING (id) "
                "JOIN queue ON queue.id = queue_id WHERE name = ? ORDER BY message.id LIMIT 1",
                (name,),
            ).fetchone()
        return json.loads(properties), body

    def wait_empty(self, name: str = "task_queue", timeout_seconds: float = 30.0) -> None:
        """Return once no message is ready or unacknowledged in queue ``name``."""
        wait_until(
            lambda: self._messages(name, ""),
            lambda messages: messages == 0,
            what=f"{name} is empty",
            timeout_seconds=timeout_seconds,
        )

    def _messages(self, name: str, condition: str) -> int:
        return self._count(
            f"SELECT count(*) FROM message JOIN queue ON queue.id = queue_id "  # noqa: S608 - the conditions above
            f"WHERE name = '{name}' {condition}"
        )

    def _count(self, query: str) -> int:
        if not self.path.exists():
            return 0
        with closing(sqlite3.connect(self.path)) as file:
            return int(file.execute(query).fetchone()[0])

"""What exists in the file, as this process remembers it until another process changes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proj.embedded.routing import matches

LARGEST_MEMORY = 10_000


@dataclass(frozen=True)
class Queue:
    """A queue as it was declared; ``owner`` is the session to which an exclusive one belongs."""

    id: int
    name: str
    durable: bool
    auto_delete: bool
    owner: int | None
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Exchange:
    """An exchange as it was declared."""

    name: str
    kind: str
    durable: bool
    auto_delete: bool


class Topology:
    """Answers from memory what the file says, read again when its topology number has moved."""

    def __init__(self) -> None:
        self.version = -1
        self._connection: sqlite3.Connection | None = None
        self._memory: dict[tuple[Any, ...], Any] = {}

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Forget everything if the file has changed; called at the start of each transaction."""
        (version,) = connection.execute("SELECT topology FROM broker").fetchone()
        # Routing keys can be as many as there are messages.
        full = len(self._memory) > LARGEST_MEMORY
        if full or version != self.version or connection is not self._connection:
            self.forget()
            self.version = version
            self._connection = connection

    def forget(self) -> None:
        """Read everything again at the next use."""
        self.version = -1
        self._memory.clear()

    def changed(self) -> None:
        """Tell every process to read again; call in the transaction that changes something."""
        self._row("UPDATE broker SET topology = topology + 1", ())
        self.forget()

    def queue(self, name: str) -> Queue | None:
        """Return the queue of that name."""
        return self._read_queue("name", name)

    def queue_by_id(self, queue_id: int) -> Queue | None:
        """Return the queue of that number."""
        return self._read_queue("id", queue_id)

    def exchange(self, name: str) -> Exchange | None:
        """Return the exchange of that name."""
        key = ("exchange", name)
        if key not in self._memory:
            row = self._row(
                "SELECT name, kind, durable, auto_delete FROM exchange WHERE name = ?", (name,)
            )
            self._memory[key] = row and Exchange(row[0], row[1], bool(row[2]), bool(row[3]))
        found: Exchange | None = self._memory[key]
        return found

    def route(self, exchange: Exchange | None, key: str, headers: Mapping[str, Any]) -> list[Queue]:
        """Return the queues that a message goes to; no exchange stands for the default one."""
        if exchange is not None and exchange.kind == "headers":
            return self._bound(exchange, key, headers)
        place = ("route", exchange.name if exchange else "", key)
        if place not in self._memory:
            queue = None if exchange else self.queue(key)
            default = [queue] if queue else []
            self._memory[place] = self._bound(exchange, key, headers) if exchange else default
        queues: list[Queue] = self._memory[place]
        return queues

    def sessions_consuming(self, queue_id: int) -> list[int]:
        """Return the sessions to wake when the queue gets a message."""
        key = ("sessions", queue_id)
        if key not in self._memory and self._connection is not None:
            rows = self._connection.execute(
                "SELECT DISTINCT session_id FROM consumer WHERE queue_id = ?", (queue_id,)
            )
            self._memory[key] = [row[0] for row in rows]
        sessions: list[int] = self._memory.get(key, [])
        return sessions

    def _bound(self, exchange: Exchange, key: str, headers: Mapping[str, Any]) -> list[Queue]:
        assert self._connection is not None  # noqa: S101  inside a transaction
        # A direct exchange may have a binding for each of thousands of reply queues.
        direct = exchange.kind == "direct"
        rows = self._connection.execute(
            "SELECT routing_key, queue_id, arguments FROM binding WHERE exchange = ?"  # noqa: S608
            + (" AND routing_key = ?" if direct else ""),
            (exchange.name, key) if direct else (exchange.name,),
        ).fetchall()
        queue_ids = {
            queue_id: None
            for pattern, queue_id, arguments in rows
            if matches(exchange.kind, pattern, key, json.loads(arguments), headers)
        }
        return [queue for queue_id in queue_ids if (queue := self.queue_by_id(queue_id))]

    def _read_queue(self, column: str, value: str | int) -> Queue | None:
        key = (column, value)
        if key not in self._memory:
            columns = "id, name, durable, auto_delete, owner, arguments"
            row = self._row(f"SELECT {columns} FROM queue WHERE {column} = ?", (value,))  # noqa: S608
            self._memory[key] = row and Queue(
                row[0], row[1], bool(row[2]), bool(row[3]), row[4], json.loads(row[5])
            )
        found: Queue | None = self._memory[key]
        return found

    def _row(self, statement: str, values: tuple[Any, ...]) -> Any:
        assert self._connection is not None  # noqa: S101  inside a transaction
        return self._connection.execute(statement, values).fetchone()

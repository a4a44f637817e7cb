"""What a function needs inside a transaction: the file, what exists in it, and the moment."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Any

from proj.embedded.topology import Topology


def now_ms() -> int:
    """Return the time in milliseconds since 1970: the file's clock, which survives a restart."""
    return time.time_ns() // 1_000_000


class Transaction:
    """A running transaction; ``now_ms`` is the moment at which all of it happens."""

    __slots__ = ("execute", "executemany", "now_ms", "topology")

    def __init__(self, connection: sqlite3.Connection, topology: Topology) -> None:
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.topology = topology
        self.now_ms = now_ms()

    def row(self, statement: str, values: Iterable[Any] = ()) -> Any:
        """Return the first row, or None."""
        return self.execute(statement, tuple(values)).fetchone()

    def column(self, statement: str, values: Iterable[Any] = ()) -> list[Any]:
        """Return the first value of every row."""
        return [row[0] for row in self.execute(statement, tuple(values))]

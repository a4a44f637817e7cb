"""What became of each parcel: one table in SQLite, written by the pages and by the workers.

The queue decides what happens; the table tells of it. A worker that meets a parcel which no page
has noted yet makes its row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from flask import current_app

TABLE = """
CREATE TABLE IF NOT EXISTS parcel (
  number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, address TEXT NOT NULL,
  state TEXT NOT NULL, reason TEXT NOT NULL)
"""


def create_table() -> None:
    """Create the table where there is none; readers do not wait for writers."""
    with _database() as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(TABLE)


def note_waiting(parcel_id: str, address: str) -> None:
    """Note a parcel that was enqueued, unless a worker has noted more."""
    with _database() as database:
        database.execute(
            "INSERT OR IGNORE INTO parcel (id, address, state, reason)"
            " VALUES (?, ?, 'waiting', '')",
            (parcel_id, address),
        )


def note(parcel_id: str, address: str, state: str, reason: str = "") -> None:
    """Note the state of a parcel: in work, done or dead."""
    with _database() as database:
        database.execute(
            "INSERT INTO parcel (id, address, state, reason) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, reason = excluded.reason",
            (parcel_id, address, state, reason),
        )


def find(parcel_id: str) -> Any:
    """Return the row of a parcel, None if there is none."""
    with _database() as database:
        return database.execute("SELECT * FROM parcel WHERE id = ?", (parcel_id,)).fetchone()


def newest(count: int) -> list[Any]:
    """Return the newest rows."""
    with _database() as database:
        return database.execute(
            "SELECT * FROM parcel ORDER BY number DESC LIMIT ?", (count,)
        ).fetchall()


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    """Give a connection, whose changes are committed at the end."""
    with closing(sqlite3.connect(current_app.config["DATABASE"], timeout=30)) as database:
        database.row_factory = sqlite3.Row
        with database:
            yield database

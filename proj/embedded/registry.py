"""One database object for each file in a process, and none of them shared over a fork."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from proj.embedded.database import Database

_databases: dict[Path, Database] = {}
_lock = threading.RLock()


def open_database(
    path: Path, *, write_timeout_seconds: float = 30.0, max_page_count: int | None = None
) -> Database:
    """Return this process's view of the broker file; its first user's options hold for all.

    Give it to ``close_database`` once for every call of this. Raises an EmbeddedBrokerError that
    names the file and the remedy.
    """
    with _lock:
        database = _databases.get(path)
        if database is None or database.replaced:
            database = Database(path, write_timeout_seconds, max_page_count)
            try:
                with database.read():
                    pass
            except BaseException:
                database.close_files()
                raise
            _databases[path] = database
        database.users += 1
        return database


def close_database(database: Database) -> None:
    """Give up one use; the last one closes the file."""
    with _lock, database.lock:
        database.users -= 1
        if database.users <= 0 and not database.sessions:
            if _databases.get(database.path) is database:
                del _databases[database.path]
            database.close_files()


def _before_fork() -> None:
    # SQLite keeps what it knows of its locks in memory, for each file and not each connection, so
    # that even a new connection in a child would trust its parent's locks. Hence none lives on.
    _lock.acquire()
    for database in _databases.values():
        database.lock.acquire()
        database.close_connection()


def _after_fork_in_parent() -> None:
    for database in _databases.values():
        database.lock.release()
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603  the parent's thread holds it, and that thread is not here
    _lock = threading.RLock()
    for database in _databases.values():
        database.start_over_in_child()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)

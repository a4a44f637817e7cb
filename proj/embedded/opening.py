"""Opening a broker file: created private, checked, brought to the newest format."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from proj.embedded import schema
from proj.embedded.errors import NotADatabase, NotWritable, SQLiteTooOld, is_busy, translate
from proj.embedded.location import require_local_folder

MINIMUM_SQLITE = (3, 24, 0)  # INSERT ... ON CONFLICT
PRAGMAS = (
    # A reader meets a lock only while another process recovers or removes the log.
    "PRAGMA busy_timeout = 5000",
    "PRAGMA cache_size = -16000",
    "PRAGMA temp_store = MEMORY",
    # In pages. To overwrite the log costs half of what it costs to make it longer, so it is short:
    # half of SQLite's own. Still shorter, the checkpoints cost more than that saves.
    "PRAGMA wal_autocheckpoint = 500",
    "PRAGMA journal_size_limit = 16777216",
    # Overwriting deleted messages with zeros would write every page twice.
    "PRAGMA secure_delete = OFF",
    "PRAGMA synchronous = FULL",
)


def open_connection(path: Path, max_page_count: int | None) -> sqlite3.Connection:
    """Connect to the broker file, created (0600) as needed; call with the writer's lock held.

    Raises an EmbeddedBrokerError that names the file and the remedy; nothing is changed then.
    """
    _create(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        version = schema.version_of(connection, path)
        for pragma in PRAGMAS:
            connection.execute(pragma)
        _use_write_ahead_log(connection)
        if version < len(schema.MIGRATIONS):
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits, or rolls back
                schema.migrate(connection, version)
        if max_page_count is not None:
            connection.execute(f"PRAGMA max_page_count = {int(max_page_count)}")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise translate(error, path) from error
        raise
    return connection


def require_usable(path: Path) -> None:
    """Raise the EmbeddedBrokerError that tells why a broker file cannot lie at ``path``, if so."""
    if sqlite3.sqlite_version_info < MINIMUM_SQLITE:
        raise SQLiteTooOld(
            f"{path} needs SQLite {'.'.join(map(str, MINIMUM_SQLITE))}, and this Python has "
            f"{sqlite3.sqlite_version}: use another Python, or RabbitMQ"
        )
    require_local_folder(path)
    if os.path.lexists(path) and not path.is_file():
        raise NotADatabase(f"{path} is no file: name a file in the broker URL")
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            raise NotWritable(
                f"Cannot write {path}: give this user write access to it and to its folder"
            )


def _create(path: Path) -> None:
    # SQLite would create it with the process's mask; its log copies these rights. Never an open
    # and close of a file that exists: that would release the locks SQLite may have on it.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:  # noqa: PERF203  once for each file
            # A process that looks at the file before it is ours may be in the way for a moment.
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return

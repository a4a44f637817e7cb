"""The format of the broker file: its tables, its version, and the way forward from older ones."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from proj.embedded.errors import ForeignDatabase, NewerFormat

#: "CWQ1" in ASCII: how SQLite, `file` and we tell this file from another program's database.
APPLICATION_ID = 0x43575131

# broker.topology is raised by every change to what exists, so that other processes read again.
# AUTOINCREMENT: the number of a dead session or queue must never name a living one.
# A message's number is its position: a new one is above every one that waits. Its small, changing
# state lies apart from its payload, which is written once.
FORMAT_1 = """
CREATE TABLE broker (topology INTEGER NOT NULL);
INSERT INTO broker VALUES (0);
CREATE TABLE session (id INTEGER PRIMARY KEY AUTOINCREMENT, process INTEGER NOT NULL);
CREATE TABLE exchange (name TEXT PRIMARY KEY, kind TEXT NOT NULL, durable INTEGER NOT NULL,
  auto_delete INTEGER NOT NULL);
INSERT INTO exchange VALUES ('amq.direct', 'direct', 1, 0), ('amq.topic', 'topic', 1, 0),
  ('amq.fanout', 'fanout', 1, 0), ('amq.headers', 'headers', 1, 0);
CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
  durable INTEGER NOT NULL, auto_delete INTEGER NOT NULL, owner INTEGER, arguments TEXT NOT NULL,
  expires_ms INTEGER, used_at INTEGER NOT NULL);
CREATE TABLE binding (exchange TEXT NOT NULL, routing_key TEXT NOT NULL, queue_id INTEGER NOT NULL,
  arguments TEXT NOT NULL, PRIMARY KEY (exchange, routing_key, queue_id, arguments)) WITHOUT ROWID;
CREATE INDEX binding_queue ON binding (queue_id);
CREATE TABLE consumer (session_id INTEGER NOT NULL, channel_id INTEGER NOT NULL, tag TEXT NOT NULL,
  queue_id INTEGER NOT NULL, PRIMARY KEY (session_id, channel_id, tag)) WITHOUT ROWID;
CREATE INDEX consumer_queue ON consumer (queue_id);
CREATE TABLE message (id INTEGER PRIMARY KEY, queue_id INTEGER NOT NULL, priority INTEGER NOT NULL,
  delivery_count INTEGER NOT NULL DEFAULT 0, session_id INTEGER, due_at INTEGER,
  expires_at INTEGER);
CREATE INDEX message_ready ON message (queue_id, priority DESC, id)
  WHERE session_id IS NULL AND due_at IS NULL;
CREATE INDEX message_held ON message (session_id, queue_id) WHERE session_id IS NOT NULL;
CREATE INDEX message_delayed ON message (due_at, queue_id) WHERE due_at IS NOT NULL;
CREATE INDEX message_expiring ON message (expires_at)
  WHERE expires_at IS NOT NULL AND session_id IS NULL AND due_at IS NULL;
CREATE TABLE payload (id INTEGER PRIMARY KEY, exchange TEXT NOT NULL, routing_key TEXT NOT NULL,
  properties TEXT NOT NULL, body BLOB NOT NULL);
"""

#: The statements that lead from each version to the next; an empty file has version 0.
MIGRATIONS = (FORMAT_1,)


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the format version of the file, 0 when it is still empty.

    Raises ForeignDatabase or NewerFormat, before anything in the file is changed.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id != APPLICATION_ID and (objects or application_id or version):
        raise ForeignDatabase(
            f"{path} is the database of another program: name another file in the broker URL"
        )
    if version > len(MIGRATIONS):
        raise NewerFormat(
            f"{path} has format {version}, and this version knows {len(MIGRATIONS)}: "
            "upgrade celery-workqueue here, or name another file"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the file from ``version`` to the newest format; call inside a write transaction."""
    for script in MIGRATIONS[version:]:
        # Not executescript: it would commit the caller's transaction first.
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

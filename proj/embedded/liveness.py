"""Sessions, and what becomes of the things of one that ended, closed or killed.

A session is alive while its process holds the lock of its number. Nothing is concluded from time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from proj.embedded import messages
from proj.embedded.declaring import delete_queue, touch
from proj.embedded.transaction import Transaction

if TYPE_CHECKING:
    from proj.embedded.database import Database


def enrol(database: Database) -> int:
    """Begin a session of this process, and return its number."""
    with database.write(durable=False) as transaction:
        inserted = transaction.execute("INSERT INTO session (process) VALUES (?)", (os.getpid(),))
        session_id = int(inserted.lastrowid or 0)
        # Before the commit: from then on others test the lock.
        database.locks.try_hold(session_id)
    database.sessions.add(session_id)
    return session_id


def end(database: Database, session_id: int) -> None:
    """Give back everything of a session whose lock this process holds, and forget it."""
    with database.lock:
        try:
            with database.write(durable=False) as transaction:
                remove_consumers(transaction, session_id)
                for queue_id in transaction.column(
                    "SELECT id FROM queue WHERE owner = ?", (session_id,)
                ):
                    delete_queue(transaction, queue_id)
                reached = messages.give_back_all(transaction, session_id)
                transaction.execute("DELETE FROM session WHERE id = ?", (session_id,))
        finally:
            # If the file cannot be written, others find the lock free, and do it when they can.
            database.sessions.discard(session_id)
            if not database.replaced:
                database.locks.release(session_id)
        database.doorbells.remove(session_id)
        database.wake(reached)


def reclaim_dead(database: Database) -> None:
    """Give back everything of every session whose process has ended."""
    with database.lock:
        database.require_locks_in_place()
        while database.abandoned:
            end(database, database.abandoned.pop())
        with database.read() as transaction:
            session_ids = transaction.column("SELECT id FROM session")
        for session_id in session_ids:
            # Taking a lock of one's own process succeeds, and tells nothing.
            if session_id not in database.sessions and database.locks.try_hold(session_id):
                end(database, session_id)


def remove_consumers(
    transaction: Transaction, session_id: int, consumer: tuple[int, str] | None = None
) -> None:
    """Remove one consumer (channel, tag) of a session, or all of them.

    An auto-delete queue goes with its last one.
    """
    condition, values = "session_id = ?", (session_id, *(consumer or ()))
    if consumer:
        condition += " AND channel_id = ? AND tag = ?"
    queue_ids = transaction.column(
        f"SELECT DISTINCT queue_id FROM consumer WHERE {condition}",  # noqa: S608
        values,
    )
    if not queue_ids:
        return
    transaction.execute(f"DELETE FROM consumer WHERE {condition}", values)  # noqa: S608
    transaction.topology.changed()
    for queue_id in queue_ids:
        touch(transaction, queue_id)
        queue = transaction.topology.queue_by_id(queue_id)
        unused = not transaction.topology.sessions_consuming(queue_id)
        if queue is not None and queue.auto_delete and unused:
            delete_queue(transaction, queue_id)

"""What the clock brings: delayed messages become visible, messages and unused queues expire."""

from __future__ import annotations

from proj.embedded.dead_lettering import dead_letter
from proj.embedded.declaring import delete_queue
from proj.embedded.transaction import Transaction

#: The most messages that one transaction moves, so that it never keeps other writers waiting long.
BATCH = 1000
EXPIRING = "expires_at IS NOT NULL AND session_id IS NULL AND due_at IS NULL"
UNUSED = "expires_ms IS NOT NULL AND id NOT IN (SELECT queue_id FROM consumer)"


def next_due_ms(transaction: Transaction) -> int | None:
    """Return the moment at which ``advance`` has work to do, None when nothing is due ever."""
    moments = transaction.column(
        "SELECT min(due_at) FROM message INDEXED BY message_delayed WHERE due_at IS NOT NULL"  # noqa: S608
        " UNION ALL SELECT min(expires_at) FROM message INDEXED BY message_expiring"
        f" WHERE {EXPIRING}"
        f" UNION ALL SELECT min(used_at + expires_ms) FROM queue WHERE {UNUSED}"
    )
    return min((moment for moment in moments if moment is not None), default=None)


def bring_forward(transaction: Transaction) -> bool:
    """Make the message that is due first due at once; return False where none is delayed."""
    brought = transaction.execute(
        "UPDATE message SET due_at = NULL WHERE id = (SELECT id FROM message"
        " INDEXED BY message_delayed WHERE due_at IS NOT NULL ORDER BY due_at, id LIMIT 1)"
    )
    return brought.rowcount > 0


def advance(transaction: Transaction) -> set[int]:
    """Do what is due, at most a batch of it; returns the queues that got a message."""
    due = transaction.execute(
        "SELECT id, queue_id FROM message INDEXED BY message_delayed"
        " WHERE due_at <= ? ORDER BY due_at LIMIT ?",
        (transaction.now_ms, BATCH),
    ).fetchall()
    transaction.executemany(
        "UPDATE message SET due_at = NULL WHERE id = ?", [(message_id,) for message_id, _ in due]
    )
    expired = transaction.column(
        f"SELECT id FROM message INDEXED BY message_expiring WHERE {EXPIRING}"  # noqa: S608
        " AND expires_at <= ? ORDER BY expires_at LIMIT ?",
        (transaction.now_ms, BATCH),
    )
    reached = dead_letter(transaction, expired, "expired")
    unused = transaction.column(
        f"SELECT id FROM queue WHERE {UNUSED} AND used_at + expires_ms <= ?",  # noqa: S608
        (transaction.now_ms,),
    )
    for queue_id in unused:
        delete_queue(transaction, queue_id)
    return reached | {queue_id for _, queue_id in due}

"""The messages in the file: put into a queue, claimed, acknowledged, given back, counted.

Every function runs inside a transaction of the caller, and finds rows by a named index alone.
"""

# ruff: noqa: S608  what is put into a statement is a constant of this module
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from proj.embedded.message import Delivery, PreparedMessage
from proj.embedded.topology import Queue
from proj.embedded.transaction import Transaction

LARGEST_PRIORITY = 255


class State(NamedTuple):
    """How the messages in one state are found, and in what order they stand."""

    where: str
    order: str


#: Can be claimed now; not due yet; delivered and not acknowledged.
READY = State(
    "INDEXED BY message_ready WHERE session_id IS NULL AND due_at IS NULL", "priority DESC, id"
)
DELAYED = State("INDEXED BY message_delayed WHERE due_at IS NOT NULL", "due_at, id")
HELD = State("INDEXED BY message_held WHERE session_id IS NOT NULL", "id")
SELECT_DELIVERY = (
    "SELECT m.id, m.queue_id, m.delivery_count, p.exchange, p.routing_key, p.properties, p.body"
)


def put(
    transaction: Transaction,
    queues: Iterable[Queue],
    message: PreparedMessage,
    exchange: str,
    routing_key: str,
) -> None:
    """Append the message to each queue, behind every one of its priority."""
    properties = message.encoded_properties()
    due_at = message.due_at_ms(transaction.now_ms)
    for queue in queues:
        largest = queue.arguments.get("x-max-priority", LARGEST_PRIORITY)
        priority = max(0, min(int(message.properties.get("priority") or 0), largest))
        lifetime_ms = message.lifetime_ms(queue.arguments)
        expires_at = None if lifetime_ms is None else (due_at or transaction.now_ms) + lifetime_ms
        inserted = transaction.execute(
            "INSERT INTO message (queue_id, priority, due_at, expires_at) VALUES (?, ?, ?, ?)",
            (queue.id, priority, due_at, expires_at),
        )
        transaction.execute(
            "INSERT INTO payload VALUES (?, ?, ?, ?, ?)",
            (inserted.lastrowid, exchange, routing_key, properties, message.body),
        )


def first(transaction: Transaction, queue_id: int, limit: int) -> list[Delivery]:
    """Return the messages that are next, in their order, without claiming them."""
    rows = transaction.execute(
        f"{SELECT_DELIVERY} FROM message m INDEXED BY message_ready"
        " CROSS JOIN payload p ON p.id = m.id"
        " WHERE m.queue_id = ? AND session_id IS NULL AND due_at IS NULL"
        " ORDER BY m.priority DESC, m.id LIMIT ?",
        (queue_id, limit),
    )
    return [Delivery(*row) for row in rows]


def read(transaction: Transaction, message_id: int) -> Delivery | None:
    """Return the message of that number."""
    row = transaction.row(
        f"{SELECT_DELIVERY} FROM message m JOIN payload p ON p.id = m.id WHERE m.id = ?",
        (message_id,),
    )
    return row and Delivery(*row)


def ids(transaction: Transaction, queue_id: int, state: State, limit: int = -1) -> list[int]:
    """Return the numbers of the first ``limit`` messages in that state, in their order."""
    numbers: list[int] = transaction.column(
        f"SELECT id FROM message {state.where} AND queue_id = ? ORDER BY {state.order} LIMIT ?",
        (queue_id, limit),
    )
    return numbers


def count(transaction: Transaction, queue_id: int, state: State) -> int:
    """Count the messages in that state."""
    (number,) = transaction.row(
        f"SELECT count(*) FROM message {state.where} AND queue_id = ?", (queue_id,)
    )
    return int(number)


def claim(transaction: Transaction, queue_id: int, limit: int, session_id: int) -> list[Delivery]:
    """Give the next messages to the session."""
    deliveries = first(transaction, queue_id, limit)
    transaction.executemany(
        "UPDATE message SET session_id = ? WHERE id = ?",
        [(session_id, delivery.id) for delivery in deliveries],
    )
    return deliveries


def delete(transaction: Transaction, message_ids: Sequence[int]) -> None:
    """Remove the messages."""
    numbers = [(message_id,) for message_id in message_ids]
    transaction.executemany("DELETE FROM message WHERE id = ?", numbers)
    transaction.executemany("DELETE FROM payload WHERE id = ?", numbers)


def give_back(transaction: Transaction, message_ids: Iterable[int], counted: int) -> set[int]:
    """Return claimed messages to their positions, as ``counted`` (0 or 1) failed deliveries.

    Returns the queues they are in.
    """
    queue_ids: set[int] = set()
    for message_id in message_ids:
        transaction.execute(
            "UPDATE message SET session_id = NULL, delivery_count = delivery_count + ?"
            " WHERE id = ?",
            (counted, message_id),
        )
        queue_ids.update(
            transaction.column("SELECT queue_id FROM message WHERE id = ?", (message_id,))
        )
    return queue_ids


def give_back_all(transaction: Transaction, session_id: int) -> set[int]:
    """Return everything that a session held, as failed deliveries; returns the queues it is in."""
    held = transaction.column(
        "SELECT id FROM message INDEXED BY message_held WHERE session_id = ?", (session_id,)
    )
    return give_back(transaction, held, counted=1)


def purge(transaction: Transaction, queue_id: int) -> int:
    """Remove the messages that can be claimed now, and return their number."""
    message_ids = ids(transaction, queue_id, READY)
    delete(transaction, message_ids)
    return len(message_ids)


def delete_all(transaction: Transaction, queue_id: int) -> None:
    """Remove every message of a queue: ready, delayed and held."""
    for state in (READY, DELAYED, HELD):
        delete(transaction, ids(transaction, queue_id, state))

"""Queues, exchanges and bindings: declared, compared with what exists, deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed, ResourceLocked

from proj.embedded import messages
from proj.embedded.routing import EXCHANGE_KINDS
from proj.embedded.topology import Exchange, Queue
from proj.embedded.transaction import Transaction

#: The queue arguments that do something here; any other is accepted and has no effect.
KNOWN_ARGUMENTS = (
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-message-ttl",
    "x-max-priority",
    "x-expires",
    "x-max-length",
    "x-overflow",
)
# The methods that an error names, as AMQP numbers them.
QUEUE_DECLARE, QUEUE_BIND, EXCHANGE_DECLARE = (50, 10), (50, 20), (40, 10)


def require_queue(transaction: Transaction, name: str, session_id: int | None = None) -> Queue:
    """Return the queue.

    Raises NotFound (404), or ResourceLocked (405) if it is exclusive to a session other than
    ``session_id``.
    """
    queue = transaction.topology.queue(name)
    if queue is None:
        raise NotFound(f"NOT_FOUND - no queue {name!r}: declare it first", QUEUE_DECLARE)
    if queue.owner is not None and queue.owner != session_id:
        raise ResourceLocked(
            f"RESOURCE_LOCKED - queue {name!r} is exclusive to another connection that lives",
            QUEUE_DECLARE,
        )
    return queue


def require_exchange(transaction: Transaction, name: str) -> Exchange | None:
    """Return the exchange, None for the default one, or raise NotFound (404)."""
    if not name:
        return None
    exchange = transaction.topology.exchange(name)
    if exchange is None:
        raise NotFound(f"NOT_FOUND - no exchange {name!r}: declare it first", EXCHANGE_DECLARE)
    return exchange


def declare_queue(transaction: Transaction, wanted: Queue) -> Queue:
    """Create the queue, or compare it with the one that exists.

    Raises PreconditionFailed (406) with the first property that differs, and both values.
    """
    if transaction.topology.queue(wanted.name) is None:
        transaction.execute(
            "INSERT INTO queue (name, durable, auto_delete, owner, arguments, expires_ms, used_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                wanted.name,
                wanted.durable,
                wanted.auto_delete,
                wanted.owner,
                json.dumps(dict(wanted.arguments)),
                wanted.arguments.get("x-expires"),
                transaction.now_ms,
            ),
        )
        transaction.topology.changed()
    queue = require_queue(transaction, wanted.name, wanted.owner)
    _require_equal("queue", wanted.name, _shown(wanted), _shown(queue), QUEUE_DECLARE)
    touch(transaction, queue.id)
    return queue


def touch(transaction: Transaction, queue_id: int) -> None:
    """Let the time that the queue may live unused (``x-expires``) begin now."""
    transaction.execute(
        "UPDATE queue SET used_at = ? WHERE id = ? AND expires_ms IS NOT NULL",
        (transaction.now_ms, queue_id),
    )


def delete_queue(transaction: Transaction, queue_id: int) -> None:
    """Remove the queue, its messages, its bindings and its consumers."""
    messages.delete_all(transaction, queue_id)
    exchanges = transaction.column("SELECT exchange FROM binding WHERE queue_id = ?", (queue_id,))
    transaction.execute("DELETE FROM binding WHERE queue_id = ?", (queue_id,))
    transaction.execute("DELETE FROM consumer WHERE queue_id = ?", (queue_id,))
    transaction.execute("DELETE FROM queue WHERE id = ?", (queue_id,))
    transaction.topology.changed()
    for exchange in exchanges:
        _delete_if_unbound(transaction, exchange)


def declare_exchange(transaction: Transaction, wanted: Exchange) -> None:
    """Create the exchange, or raise PreconditionFailed (406) if one exists that differs."""
    if wanted.kind not in EXCHANGE_KINDS:
        raise PreconditionFailed(
            f"PRECONDITION_FAILED - exchange {wanted.name!r} has unknown type {wanted.kind!r}: use "
            f"one of {', '.join(sorted(EXCHANGE_KINDS))}",
            EXCHANGE_DECLARE,
        )
    exchange = transaction.topology.exchange(wanted.name)
    if exchange is None:
        transaction.execute(
            "INSERT INTO exchange VALUES (?, ?, ?, ?)",
            (wanted.name, wanted.kind, wanted.durable, wanted.auto_delete),
        )
        transaction.topology.changed()
        return
    _require_equal("exchange", wanted.name, _shown(wanted), _shown(exchange), EXCHANGE_DECLARE)


def delete_exchange(transaction: Transaction, name: str) -> None:
    """Remove the exchange and its bindings."""
    transaction.execute("DELETE FROM binding WHERE exchange = ?", (name,))
    transaction.execute("DELETE FROM exchange WHERE name = ?", (name,))
    transaction.topology.changed()


def bind(
    transaction: Transaction, queue: str, exchange: str, key: str, arguments: Mapping[str, Any]
) -> None:
    """Route messages of the exchange to the queue; a binding that exists stays as it is."""
    found = _require_bindable(transaction, queue)
    if require_exchange(transaction, exchange) is None:
        raise AccessRefused(
            f"ACCESS_REFUSED - queue {queue!r} is bound to the default exchange by its name",
            QUEUE_BIND,
        )
    inserted = transaction.execute(
        "INSERT INTO binding VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (exchange, key, found.id, json.dumps(dict(arguments), sort_keys=True)),
    )
    if inserted.rowcount:
        transaction.topology.changed()


def unbind(
    transaction: Transaction, queue: str, exchange: str, key: str, arguments: Mapping[str, Any]
) -> None:
    """Remove the binding, and its auto-delete exchange with the last one."""
    found = _require_bindable(transaction, queue)
    transaction.execute(
        "DELETE FROM binding WHERE exchange = ? AND routing_key = ? AND queue_id = ?"
        " AND arguments = ?",
        (exchange, key, found.id, json.dumps(dict(arguments), sort_keys=True)),
    )
    transaction.topology.changed()
    _delete_if_unbound(transaction, exchange)


def _require_bindable(transaction: Transaction, name: str) -> Queue:
    queue = transaction.topology.queue(name)
    return require_queue(transaction, name, queue.owner if queue else None)


def _delete_if_unbound(transaction: Transaction, name: str) -> None:
    exchange = transaction.topology.exchange(name)
    bound = transaction.row("SELECT 1 FROM binding WHERE exchange = ?", (name,))
    if exchange is not None and exchange.auto_delete and not bound:
        delete_exchange(transaction, name)


def _shown(entity: Queue | Exchange) -> dict[str, Any]:
    """Return what two declarations of one name must have equal."""
    shown = {"durable": entity.durable, "auto_delete": entity.auto_delete}
    if isinstance(entity, Exchange):
        return {"type": entity.kind, **shown}
    arguments = {name: entity.arguments.get(name) for name in KNOWN_ARGUMENTS}
    return {**shown, "exclusive": entity.owner is not None, **arguments}


def _require_equal(
    thing: str, name: str, wanted: dict[str, Any], found: dict[str, Any], method: tuple[int, int]
) -> None:
    for argument, received in wanted.items():
        if received != found[argument]:
            raise PreconditionFailed(
                f"PRECONDITION_FAILED - inequivalent arg {argument!r} for {thing} {name!r}: "
                f"received {received!r} but current is {found[argument]!r}",
                method,
            )

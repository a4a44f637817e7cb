"""Where a message goes that was rejected, expired or pushed out of a full queue."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any

from proj.embedded import messages
from proj.embedded.message import Delivery, PreparedMessage
from proj.embedded.properties import decode_properties
from proj.embedded.topology import Queue
from proj.embedded.transaction import Transaction

logger = logging.getLogger(__name__)

#: How long a message waits for its dead-letter queue to be declared before it is tried again.
UNROUTABLE_WAIT_MS = 60_000


def dead_letter(transaction: Transaction, message_ids: Iterable[int], reason: str) -> set[int]:
    """Move the messages on, with the headers that RabbitMQ adds; returns the queues that got one.

    ``reason`` is ``rejected``, ``expired`` or ``maxlen``. A queue without a dead-letter exchange
    drops them. Source: https://www.rabbitmq.com/docs/dlx.
    """
    reached: set[int] = set()
    for message_id in message_ids:
        delivery = messages.read(transaction, message_id)
        if delivery is None:
            continue
        source = transaction.topology.queue_by_id(delivery.queue_id)
        if source is None:
            continue
        if "x-dead-letter-exchange" in source.arguments:
            targets = _publish(transaction, delivery, source, reason)
            if not targets:
                _keep(transaction, message_id, source, reason)
                continue
            reached |= targets
        messages.delete(transaction, [message_id])
    return reached


def _publish(transaction: Transaction, delivery: Delivery, source: Queue, reason: str) -> set[int]:
    name = source.arguments["x-dead-letter-exchange"]
    routing_key = source.arguments.get("x-dead-letter-routing-key", delivery.routing_key)
    properties = decode_properties(delivery.properties)
    headers = _headers(properties, delivery, source.name, reason)
    properties["application_headers"] = headers
    # Kept, it would expire the message again in the dead-letter queue.
    properties.pop("expiration", None)
    exchange = transaction.topology.exchange(name)
    if exchange is None and name:
        return set()
    queues = transaction.topology.route(exchange, routing_key, headers)
    messages.put(transaction, queues, PreparedMessage(delivery.body, properties), name, routing_key)
    return {queue.id for queue in queues}


def _headers(
    properties: dict[str, Any], delivery: Delivery, queue: str, reason: str
) -> dict[str, Any]:
    headers = dict(properties.get("application_headers") or {})
    # The delay is over, and must not begin again in the dead-letter queue.
    headers.pop("x-delay", None)
    deaths = [dict(death) for death in headers.get("x-death") or []]
    same = [death for death in deaths if (death["queue"], death["reason"]) == (queue, reason)]
    death: dict[str, Any] = same[0] if same else {"count": 0, "reason": reason, "queue": queue}
    death["count"] += 1
    death["time"] = dt.datetime.now(tz=dt.timezone.utc).replace(microsecond=0)
    death["exchange"] = delivery.exchange
    death["routing-keys"] = [delivery.routing_key]
    if reason == "expired" and "expiration" in properties:
        death["original-expiration"] = properties["expiration"]
    headers["x-death"] = [death, *(other for other in deaths if other is not death)]
    for name, value in (("reason", reason), ("queue", queue), ("exchange", delivery.exchange)):
        headers.setdefault(f"x-first-death-{name}", value)
        headers[f"x-last-death-{name}"] = value
    return headers


def _keep(transaction: Transaction, message_id: int, source: Queue, reason: str) -> None:
    # RabbitMQ's default drops it here; with its at-least-once strategy the message waits, as ours.
    logger.error(
        "Message %s of queue %r was %s, and no queue is bound where its dead letters go "
        "(exchange %r): declare one; the message stays in %r and comes back in %d s",
        message_id,
        source.name,
        reason,
        source.arguments["x-dead-letter-exchange"],
        source.name,
        UNROUTABLE_WAIT_MS // 1000,
    )
    transaction.execute(
        "UPDATE message SET session_id = NULL, due_at = :due_at,"
        " expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE :due_at END WHERE id = :id",
        {"due_at": transaction.now_ms + UNROUTABLE_WAIT_MS, "id": message_id},
    )

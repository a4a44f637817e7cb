"""Sends a task that is not due at once, and lets the broker keep it until it is."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

from celery import Celery
from celery.utils.time import maybe_iso8601, maybe_make_aware
from kombu.common import Broadcast

from proj.errors import Unroutable
from proj.topology.delays import DELAYED_UNTIL, WayTo, delayed_routing_key, destination_queue
from proj.topology.names import DELAY_LEVELS, DELIVERY_EXCHANGE

__all__ = ["delay", "leave_delayed_way"]

EMBEDDED_BROKER = "sqlite"
"""The driver type of the embedded broker, which keeps a message for its header ``x-delay``."""


def delay(app: Celery, producer: Any, message: Any, options: dict[str, Any]) -> None:
    """Let the broker keep a task's ``message`` until its ETA, by the ``options`` of its publish.

    The delay is rounded up, to whole seconds on RabbitMQ. Celery's ETA leaves the message: what
    the broker delivers is due, whatever the worker's clock says. On brokers that keep no messages
    nothing changes. Raises :class:`proj.errors.Unroutable` for a task that goes to an exchange
    instead of a queue, and for a delay that is too long.
    """
    # Protocol 2 has the ETA in the headers, protocol 1 in the body.
    fields = message.headers or message.body
    driver_type = producer.connection.transport.driver_type
    if not fields["eta"] or driver_type not in ("amqp", EMBEDDED_BROKER):
        return
    seconds = _seconds_until(fields["eta"])
    if message.headers:
        fields[DELAYED_UNTIL] = fields["eta"]
    fields["eta"] = None
    if seconds <= 0:
        return
    if driver_type == EMBEDDED_BROKER:
        message.headers["x-delay"] = math.ceil(seconds * 1000)
    else:
        _send_by_delayed_way(app, producer, math.ceil(seconds), fields["id"], options)
    # Its time to live would end a message too early on its way; the worker looks at `expires`.
    options["expiration"] = None


def leave_delayed_way(options: dict[str, Any]) -> None:
    """Send a task that is retried, and whose last delivery was delayed, to its queue again.

    Celery retries a task to the exchange and routing key that it came by.
    """
    if options.get("exchange") == DELIVERY_EXCHANGE:
        del options["exchange"]
        options["queue"] = destination_queue(options.pop("routing_key"))


def _seconds_until(eta: str) -> float:
    due = maybe_make_aware(maybe_iso8601(eta))
    return float((due - datetime.now(timezone.utc)).total_seconds())


def _send_by_delayed_way(
    app: Celery, producer: Any, seconds: int, task_id: str, options: dict[str, Any]
) -> None:
    queue = options.get("queue") or app.amqp.default_queue
    if isinstance(queue, str):
        queue = app.amqp.queues[queue]
    try:
        _refuse_an_exchange(queue, options.get("exchange"))
        routing_key = delayed_routing_key(seconds, queue.name)
    except ValueError as error:
        broker = producer.connection.as_uri()
        raise Unroutable(broker, str(error), task_id=task_id, queue=queue.name) from error
    options.update(
        queue=queue,
        exchange=DELAY_LEVELS[-1],
        routing_key=routing_key,
        declare=[queue, WayTo(queue.name)],
    )


def _refuse_an_exchange(queue: Any, exchange: Any) -> None:
    to_another = exchange and getattr(exchange, "name", exchange) != queue.exchange.name
    if to_another or isinstance(queue, Broadcast):
        raise ValueError("a delayed task goes to one queue, not to an exchange: send it by queue=")

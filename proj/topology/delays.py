"""Where delayed tasks wait: Celery's layout of 28 queues, of which number n holds for 2^n seconds.

The delay, in binary, is the head of the routing key, and says at which of them a message stops.
Then it comes to the exchange ``celery_delayed_delivery``, and from there to its work queue.
"""

from __future__ import annotations

import re
from typing import Any

from amqp.exceptions import ChannelError, NotFound, PreconditionFailed
from kombu.abstract import MaybeChannelBound

from proj.errors import DelaysRefused
from proj.settings import Settings
from proj.topology.names import DELAY_LEVELS, DELIVERY_EXCHANGE

__all__ = [
    "DELAYED_UNTIL",
    "LONGEST_SECONDS",
    "WayTo",
    "declare",
    "delayed_routing_key",
    "destination_queue",
]

LEVELS = len(DELAY_LEVELS)

LONGEST_SECONDS = 2**LEVELS - 1
"""The longest delay, 8.5 years."""

DELAYED_UNTIL = "x-eta"
"""The header with the ETA of a message that the broker delays; Celery's would delay it again."""

LONGEST_ROUTING_KEY_BYTES = 255
"""AMQP's short string."""

DELAYED = re.compile(rf"(?:[01]\.){{{LEVELS}}}(?P<queue>.+)", re.DOTALL)


def declare(connection: Any, settings: Settings) -> None:
    """Declare all that delays need, and the way from there to the work queue, which must exist.

    ``connection`` is a Kombu connection; one to another broker than RabbitMQ needs nothing. Queues
    that another app has declared are taken as they are, classic or quorum. Raises
    :class:`proj.errors.DelaysRefused`, and the connection's own errors where that is lost.
    """
    if connection.transport.driver_type != "amqp":
        return
    try:
        _declare_levels(connection)
        _bind(connection, settings.name)
    except ChannelError as error:
        raise DelaysRefused(connection.as_uri(), str(error.reply_text)) from error


class WayTo(MaybeChannelBound):
    """The way of delayed messages to ``queue``; Kombu declares it once on each connection."""

    attrs = (("queue", None),)
    can_cache_declaration = True

    def __init__(self, queue: str, **options: Any) -> None:
        super().__init__(**options)
        self.name = self.queue = queue

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WayTo) and other.queue == self.queue

    def __hash__(self) -> int:
        return hash((WayTo, self.queue))

    def declare(self, channel: Any) -> None:
        """Declare the way; the 28 queues too where they are missing. Raises py-amqp's error."""
        connection = channel.connection.client
        try:
            _bind(connection, self.queue)
        except NotFound as error:
            if "no exchange" not in str(error.reply_text):
                raise
            _declare_levels(connection)
            _bind(connection, self.queue)


def delayed_routing_key(seconds: int, queue: str) -> str:
    """Return the routing key with which a message comes to ``queue`` after ``seconds``.

    Raises ``ValueError`` for a delay, or for a queue's name, that does not fit into it.
    """
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ValueError(f"a delay is 1 to {LONGEST_SECONDS} s, not {seconds} s")
    if {"*", "#"} & set(queue.split(".")):
        raise ValueError("a queue with '*' or '#' as a part of its name takes no delayed tasks")
    routing_key = ".".join(f"{seconds:0{LEVELS}b}") + f".{queue}"
    if len(routing_key.encode()) > LONGEST_ROUTING_KEY_BYTES:
        raise ValueError("a queue with such a long name takes no delayed tasks")
    return routing_key


def destination_queue(routing_key: str) -> str:
    """Return the queue that a delayed message with ``routing_key`` comes to."""
    found = DELAYED.fullmatch(routing_key)
    return found["queue"] if found else routing_key


def _bind(connection: Any, queue: str) -> None:
    # A star for each digit, not "#", which would give the queue "b" what is meant for "a.b".
    with connection.channel() as channel:
        channel.exchange_bind(DELIVERY_EXCHANGE, DELAY_LEVELS[0], _digit(0, "0"), nowait=True)
        channel.queue_bind(queue, DELIVERY_EXCHANGE, "*." * LEVELS + queue)


def _declare_levels(connection: Any) -> None:
    # Quorum queues whatever the work queue is: they keep a message until the next queue has it.
    with connection.channel() as channel:
        try:
            _declare_levels_as(channel, "quorum")
        except PreconditionFailed:
            _declare_levels_as(channel, "classic")


def _declare_levels_as(channel: Any, queue_type: str) -> None:
    """Declare exchanges, queues and bindings as Celery's own workers do, in one round trip."""
    durable = {"durable": True, "auto_delete": False}
    above = None
    # From the top: where the lowest level exists, the layout is whole.
    for level, name in reversed(tuple(enumerate(DELAY_LEVELS))):
        arguments = {
            "x-queue-type": queue_type,
            "x-overflow": "reject-publish",
            "x-message-ttl": 2**level * 1000,
            "x-dead-letter-exchange": DELAY_LEVELS[level - 1] if level else DELIVERY_EXCHANGE,
        }
        if queue_type == "quorum":
            arguments["x-dead-letter-strategy"] = "at-least-once"
        channel.exchange_declare(name, "topic", nowait=True, **durable)
        channel.queue_declare(name, nowait=True, arguments=arguments, **durable)
        channel.queue_bind(name, name, _digit(level, "1"), nowait=True)
        if above is not None:
            channel.exchange_bind(name, above, _digit(level + 1, "0"), nowait=True)
        above = name
    channel.exchange_declare(DELIVERY_EXCHANGE, "topic", **durable)


def _digit(level: int, digit: str) -> str:
    """Return the pattern of routing keys that have ``digit`` at the place of ``level``."""
    return "*." * (LEVELS - 1 - level) + f"{digit}.#"

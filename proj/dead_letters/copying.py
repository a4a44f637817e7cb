"""Copies a message to another place, byte for byte, with headers of ours: confirmed, or an error.

The original may be acknowledged once :meth:`Copies.publish` has returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from amqp.basic_message import Message
from amqp.exceptions import MessageNacked
from kombu.common import maybe_declare

from proj.broker import deadline
from proj.broker.channel import Blocked, Channel, Returned, Unconfirmed
from proj.dead_letters import letter, properties
from proj.topology.delays import LONGEST_SECONDS, WayTo, delayed_routing_key
from proj.topology.names import DEFAULT_EXCHANGE, DELAY_LEVELS

__all__ = ["Copies", "Copy", "CopyRefused", "Original"]

T = TypeVar("T")

BROKER_HEADERS = ("x-delivery-count", "x-acquired-count")
"""What a quorum queue adds to a delivery: not the original's, and stale in a copy."""

ROOM_IN_FRAME_BYTES = 64
"""What a content header frame holds beside the properties: 8 of frame, 12 of header, and spare."""

ANY_FRAME_BYTES = 131_072
"""RabbitMQ's own ``frame_max``, for transports that have none."""

SHORTENABLE = (letter.TRACEBACK, letter.MESSAGE, letter.EXCEPTION)
"""Headers left out, in this order, where the frame has no room for them."""


class CopyRefused(Exception):
    """No queue has taken the copy, or nobody knows; the original must stay where it is."""


@dataclass(frozen=True)
class Original:
    """The bytes of a message as the broker delivered it."""

    body: bytes
    properties: bytes


@dataclass(frozen=True)
class Copy:
    """What is to be published: a message, with ``headers`` in the place of ``drop_headers``.

    ``drop_expiration``: a dead letter must not expire; a copy to try again still may.
    """

    original: Original
    headers: Mapping[str, str | int]
    drop_headers: Sequence[str] = letter.HEADERS
    drop_expiration: bool = True


class Copies:
    """Publishes copies over a connection of its own, one at a time, each within a deadline.

    A connection of its own, because a broker in memory or disk alarm stops reading from every
    connection that publishes: the consuming one has acknowledgements to write.
    https://www.rabbitmq.com/docs/connection-blocked
    """

    def __init__(self, connect: Callable[[], Any], *, timeout_seconds: float) -> None:
        self.connect = connect
        self.timeout_seconds = timeout_seconds
        self._connection: Any = None
        self._channel: Any = None

    def publish(
        self,
        original: Original,
        queue: str,
        headers: Mapping[str, str | int],
        *,
        drop_expiration: bool,
        drop_headers: Sequence[str] = letter.HEADERS,
        delay_seconds: float = 0.0,
    ) -> None:
        """Publish a :class:`Copy` to ``queue``; return once the broker has confirmed it.

        Raises :class:`CopyRefused` when the queue is gone or full, or nothing was heard in time.
        ``delay_seconds``: RabbitMQ keeps the copy for so long, for its longest delay at most.
        """
        copy = Copy(original, headers, drop_headers, drop_expiration)
        exchange, routing_key = DEFAULT_EXCHANGE, queue

        def publish_copy(channel: Any) -> None:
            message = self._message(channel, copy)
            if exchange:
                maybe_declare(WayTo(queue), channel)
            channel.basic_publish(message, exchange, routing_key, mandatory=True)

        with _refusals(queue):
            if delay_seconds > 0:
                exchange = DELAY_LEVELS[-1]
                seconds = min(math.ceil(delay_seconds), LONGEST_SECONDS)
                routing_key = delayed_routing_key(seconds, queue)
            self.ask(publish_copy)

    def publish_all(self, copies: Sequence[Copy], queue: str) -> list[CopyRefused | None]:
        """Publish ``copies`` to ``queue``, all in one round trip.

        Returns for each None once the broker has confirmed it, or why it must stay where it is.
        """
        answers: list[CopyRefused | None] = [CopyRefused("it was not sent")] * len(copies)

        def publish_copies(channel: Any) -> None:
            # All are made before the first is sent: one that cannot be made costs no other.
            messages = [self._message(channel, copy) for copy in copies]
            to_queue = (DEFAULT_EXCHANGE, queue, True)
            if isinstance(channel, Channel):
                written = list(channel.send_all((each, *to_queue) for each in messages))
                sent = [partial(channel.wait_for, each) for each in written]
            else:
                sent = [partial(channel.basic_publish, each, *to_queue) for each in messages]
            for number, confirm in enumerate(sent):
                answers[number] = _refusal(queue, confirm)

        try:
            # Nothing is sent twice: what had no answer when the connection was lost stays.
            self.ask(publish_copies, again=False)
        except CopyRefused as refused:
            answers = [answer and refused for answer in answers]
        return answers

    def message_count(self, queue: str) -> int:
        """Return how many messages of ``queue`` wait for a consumer; or raise ``CopyRefused``."""
        return int(self.ask(lambda channel: channel.queue_declare(queue, passive=True))[1])

    def ask(self, use: Callable[[Any], T], *, again: bool = True) -> T:
        """Return what ``use`` returns for the channel; or raise :class:`CopyRefused`.

        ``again``: once more on a new connection, where one that was idle turns out to be closed.
        """
        reused = self._channel is not None
        try:
            with deadline.within(self.timeout_seconds):
                if not reused:
                    self._connection = self.connect()
                    self._channel = self._connection.channel()
                return use(self._channel)
        except (CopyRefused, Returned):
            raise
        except MessageNacked:
            # RabbitMQ 3.10 goes on refusing on a channel that met a quorum queue without a leader.
            self.close()
            raise
        except Exception as error:  # py-amqp raises more than it declares on a lost connection
            self.close()
            if again and reused and not isinstance(error, Unconfirmed | Blocked | TimeoutError):
                return self.ask(use)
            raise CopyRefused(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Drop the connection; the next copy opens another one."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(Exception), deadline.within(self.timeout_seconds):
                connection.close()

    def _message(self, channel: Any, copy: Copy) -> Any:
        """Return the message for ``channel``, which the broker takes from this connection."""
        written, headers, drop = copy.original.properties, dict(copy.headers), set()
        expiration = properties.field(written, "expiration")
        if copy.drop_expiration and expiration:
            drop.add("expiration")
            headers[letter.EXPIRATION] = expiration
        # The broker closes the channel of a message whose user is not the connection's.
        author = properties.field(written, "user_id")
        if author and author != self._connection.userid:
            drop.add("user_id")
            headers[letter.USER] = author
        frame_max = getattr(channel.connection, "frame_max", ANY_FRAME_BYTES)
        longest_bytes, edited = frame_max - ROOM_IN_FRAME_BYTES, b""
        for name in (None, *SHORTENABLE):
            headers.pop(name or "", None)
            edited = properties.edit(
                written,
                headers=headers,
                drop_headers=(*copy.drop_headers, *BROKER_HEADERS),
                # The broker would send the copy to these queues too.
                rename_headers={"CC": letter.CARBON_COPY},
                drop=drop,
            )
            if len(edited) <= longest_bytes:
                return _message(channel, copy.original.body, edited)
        told = f"its headers and ours, {len(edited)} bytes, do not fit into one frame of"
        raise CopyRefused(f"{told} {longest_bytes}")


@contextmanager
def _refusals(queue: str) -> Iterator[None]:
    try:
        yield
    except Returned as error:
        raise CopyRefused(f"there is no queue {queue!r}") from error
    except ValueError as error:
        raise CopyRefused(str(error)) from error
    except MessageNacked as error:
        raise CopyRefused(f"the queue {queue!r} refuses messages, as a full one does") from error


def _refusal(queue: str, confirm: Callable[[], None]) -> CopyRefused | None:
    try:
        with _refusals(queue):
            confirm()
    except CopyRefused as refused:
        return refused
    return None


class RawMessage(Message):
    """A message whose properties are written as they are."""

    def __init__(self, body: bytes, raw_properties: bytes) -> None:
        # By these two our channel knows a message that the broker returns.
        known = ("correlation_id", "message_id")
        super().__init__(body, **{name: properties.field(raw_properties, name) for name in known})
        self.raw_properties = raw_properties

    def _serialize_properties(self) -> bytes:
        return self.raw_properties


def _message(channel: Any, body: bytes, raw_properties: bytes) -> Any:
    """Return the message for ``channel``; one that is not AMQP's takes no bytes."""
    if isinstance(channel, Channel):
        return RawMessage(body, raw_properties)
    read = properties.decode(raw_properties)
    headers = read.pop("application_headers", {})
    told = {name: read.pop(name, None) for name in ("priority", "content_type", "content_encoding")}
    return channel.prepare_message(body, headers=headers, properties=read, **told)

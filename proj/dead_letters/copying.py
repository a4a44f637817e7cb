"""Copies a message to another place, byte for byte, with headers of ours: confirmed, or an error.

The original may be acknowledged once :meth:`Copies.publish` has returned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from amqp import spec
from amqp.basic_message import Message

from proj.dead_letters import letter, properties
from proj.topology.names import DEFAULT_EXCHANGE

__all__ = ["Copies", "CopyRefused", "Original"]

BROKER_HEADERS = ("x-delivery-count", "x-acquired-count")
"""What a quorum queue adds to a delivery: not the original's, and stale in a copy."""

ROOM_IN_FRAME_BYTES = 64
"""What a content header frame holds beside the properties: 8 of frame, 12 of header, and spare."""

SHORTENABLE = (letter.TRACEBACK, letter.MESSAGE, letter.EXCEPTION)
"""Headers left out, in this order, where the frame has no room for them."""


class CopyRefused(Exception):
    """No queue has taken the copy, or nobody knows; the original must stay where it is."""


@dataclass(frozen=True)
class Original:
    """The bytes of a message as the broker delivered it."""

    body: bytes
    properties: bytes


class Copies:
    """Publishes copies over a connection of its own, one at a time, each wait bounded.

    A connection of its own, because a broker in memory or disk alarm stops reading from every
    connection that publishes: the consuming one has acknowledgements to write.
    https://www.rabbitmq.com/docs/connection-blocked
    """

    def __init__(self, connect: Callable[[], Any], *, timeout_seconds: float) -> None:
        self.connect = connect
        self.timeout_seconds = timeout_seconds
        self._connection: Any = None
        self._channel: Any = None
        self._published = 0
        self._confirmed = False
        self._refusal: str | None = None

    def publish(
        self,
        original: Original,
        queue: str,
        headers: Mapping[str, str | int],
        *,
        drop_expiration: bool,
    ) -> None:
        """Publish a copy of ``original`` to ``queue``; return once the broker has confirmed it.

        Raises :class:`CopyRefused` when the queue is gone or full, or nothing was heard in time.
        ``drop_expiration``: a dead letter must not expire; a copy to try again still may.
        """
        reused = self._connection is not None
        try:
            answer = self._try(original, queue, headers, drop_expiration=drop_expiration)
        except CopyRefused:
            raise
        except Exception as error:  # py-amqp raises more than it declares on a lost connection
            self.close()
            if reused and not isinstance(error, TimeoutError):
                # It was idle, and the broker or a firewall may have closed it long ago.
                return self.publish(original, queue, headers, drop_expiration=drop_expiration)
            raise CopyRefused(f"{type(error).__name__}: {error}") from error
        if answer is not None:
            raise CopyRefused(answer)
        return None

    def message_count(self, queue: str) -> int:
        """Return how many messages of ``queue`` wait for a consumer; or raise ``CopyRefused``."""
        try:
            declared = self._open().queue_declare(queue=queue, passive=True)
        except Exception as error:  # as above
            self.close()
            raise CopyRefused(f"{type(error).__name__}: {error}") from error
        return int(declared.message_count)

    def close(self) -> None:
        """Drop the connection; the next copy opens another one."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                # No handshake: a broker that does not answer would not answer this either.
                connection.connection.collect()

    def _try(
        self,
        original: Original,
        queue: str,
        headers: Mapping[str, str | int],
        *,
        drop_expiration: bool,
    ) -> str | None:
        """Return None once the copy is confirmed, else why it is not in the queue."""
        channel = self._open()
        user = self._connection.userid
        copy = RawMessage(
            original.body,
            _edited(
                original.properties,
                headers,
                user=user,
                drop_expiration=drop_expiration,
                longest_bytes=channel.connection.frame_max - ROOM_IN_FRAME_BYTES,
            ),
        )
        self._confirmed, self._refusal = False, None
        self._published += 1
        channel.send_method(
            spec.Basic.Publish, "Bssbb", (0, DEFAULT_EXCHANGE, queue, True, False), copy
        )
        deadline = time.monotonic() + self.timeout_seconds
        while not self._confirmed:
            remaining_seconds = deadline - time.monotonic()
            if remaining_seconds <= 0:
                raise TimeoutError(f"no confirmation within {self.timeout_seconds} s")
            self._connection.drain_events(timeout=remaining_seconds)
        return self._refusal

    def _open(self) -> Any:
        if self._channel is None:
            self._connection = self.connect()
            channel = self._connection.channel()
            channel.confirm_select()
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)
            channel.events["basic_return"].add(self._on_return)
            self._channel, self._published = channel, 0
        return self._channel

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:  # noqa: FBT001, ARG002 - py-amqp's signature
        self._confirmed = self._confirmed or delivery_tag == self._published

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:  # noqa: FBT001, ARG002 - py-amqp's signature
        if delivery_tag == self._published:
            self._confirmed = True
            self._refusal = "the queue refuses messages: it is full, or cannot store them"

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:  # noqa: ARG002 - py-amqp's signature
        # The broker returns what no queue took, and then confirms it all the same.
        self._refusal = f"there is no queue {routing_key!r}"


class RawMessage(Message):
    """A message whose properties are written as they are."""

    def __init__(self, body: bytes, raw_properties: bytes) -> None:
        super().__init__(body)
        self.raw_properties = raw_properties

    def _serialize_properties(self) -> bytes:
        return self.raw_properties


def _edited(
    original: bytes,
    headers: Mapping[str, str | int],
    *,
    user: str,
    drop_expiration: bool,
    longest_bytes: int,
) -> bytes:
    fitting = dict(headers)
    drop = set()
    expiration = properties.field(original, "expiration")
    if drop_expiration and expiration:
        drop.add("expiration")
        fitting["x-dead-letter-expiration"] = expiration
    # The broker closes the channel of a message whose user is not the connection's.
    author = properties.field(original, "user_id")
    if author and author != user:
        drop.add("user_id")
        fitting["x-dead-letter-user-id"] = author
    for name in (None, *SHORTENABLE):
        fitting.pop(name or "", None)
        edited = properties.edit(
            original,
            headers=fitting,
            drop_headers=(*letter.HEADERS, *BROKER_HEADERS),
            # The broker would send the copy to these queues too.
            rename_headers={"CC": "x-cc"},
            drop=drop,
        )
        if len(edited) <= longest_bytes:
            return edited
    raise CopyRefused(
        f"its headers and ours, {len(edited)} bytes, do not fit into one frame of {longest_bytes}"
    )

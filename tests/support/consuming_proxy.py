"""A proxy that speaks to the broker in the worker's name, on the channels that consume a queue."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.proxy import Proxy

__all__ = ["ConsumingProxy"]

METHOD_FRAME = b"\x01"
FRAME_END = b"\xce"
CONSUME, CANCEL, ACK = (struct.pack(">HH", 60, method) for method in (20, 30, 80))
NO_SUCH_DELIVERY = 999_999


@dataclass(frozen=True)
class Consumer:
    """One ``basic.consume`` that has passed; the tag is as AMQP writes it, with its length."""

    broker: socket.socket
    channel: int
    tag: bytes


class ConsumingProxy(Proxy):
    """A proxy that notes who consumes from ``queue``; a context manager as every proxy is."""

    def __init__(self, target_port: int, queue: str, **options: Any) -> None:
        self._consumers: list[Consumer] = []
        # Frame type, channel, size; class and method, a reserved field, queue; then the tag.
        name = re.escape(bytes((len(queue),)) + queue.encode())
        pattern = METHOD_FRAME + b"(..)....%b\x00\x00%b" % (re.escape(CONSUME), name)
        self._consume = re.compile(pattern, re.DOTALL)
        super().__init__(target_port, **options)

    def on_request(self, broker: socket.socket, data: bytes) -> None:
        """Note the consumers that ``data`` asks for."""
        for found in self._consume.finditer(data):
            tag = data[found.end() : found.end() + 1 + data[found.end()]]
            self._consumers.append(Consumer(broker, int.from_bytes(found[1], "big"), tag))

    def close_channels(self) -> int:
        """Acknowledge what was never delivered: the broker closes the channels (406).

        Returns how many consumers there are.
        """
        return self._send(lambda _: ACK + struct.pack(">QB", NO_SUCH_DELIVERY, 0))

    def cancel_consumers(self) -> int:
        """Cancel each consumer behind the worker's back (``nowait``); return how many there are."""
        return self._send(lambda consumer: CANCEL + consumer.tag + b"\x01")

    def _send(self, payload_for: Callable[[Consumer], bytes]) -> int:
        consumers = [each for each in self._consumers if each.broker.fileno() != -1]
        self._consumers.clear()
        for each in consumers:
            payload = payload_for(each)
            header = METHOD_FRAME + struct.pack(">HI", each.channel, len(payload))
            each.broker.sendall(header + payload + FRAME_END)
        return len(consumers)

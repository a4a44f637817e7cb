"""A proxy that has the broker close channels, for what it believes their client to have sent."""

from __future__ import annotations

import re
import socket
import struct
from typing import Any

from tests.support.proxy import Proxy

__all__ = ["ChannelClosing"]

METHOD_FRAME = b"\x01"
FRAME_END = b"\xce"
CONSUME, ACK = struct.pack(">HH", 60, 20), struct.pack(">HH", 60, 80)
NO_SUCH_DELIVERY = 999_999


class ChannelClosing(Proxy):
    """Notes on which channels ``queue`` is consumed; a context manager as every proxy is."""

    def __init__(self, target_port: int, queue: str, **options: Any) -> None:
        self._consuming: list[tuple[socket.socket, int]] = []
        # Frame type, channel, size; class and method, a reserved field, the queue's name.
        name = bytes((len(queue),)) + queue.encode()
        pattern = METHOD_FRAME + b"(..)....%b\x00\x00%b" % (re.escape(CONSUME), re.escape(name))
        self._consume = re.compile(pattern, re.DOTALL)
        super().__init__(target_port, **options)

    def close_channels(self) -> int:
        """Acknowledge on each of them what was never delivered (406); return how many there are."""
        consuming, self._consuming = self._consuming, []
        open_ones = [(broker, channel) for broker, channel in consuming if broker.fileno() != -1]
        for broker, channel in open_ones:
            payload = ACK + struct.pack(">QB", NO_SUCH_DELIVERY, 0)
            header = METHOD_FRAME + struct.pack(">HI", channel, len(payload))
            broker.sendall(header + payload + FRAME_END)
        return len(open_ones)

    def on_request(self, broker: socket.socket, data: bytes) -> None:
        """Note the channels on which ``data`` asks for the queue's messages."""
        for found in self._consume.finditer(data):
            self._consuming.append((broker, int.from_bytes(found[1], "big")))

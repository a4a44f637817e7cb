"""Reads together what has come together: py-amqp asks the socket nine times for one message."""

from __future__ import annotations

import socket
from typing import Any

from amqp import transport
from amqp.exceptions import UnexpectedFrame

from proj.broker.frames import END, FRAME

__all__ = ["ReadAhead"]

RECEIVE_BYTES = 65_536


class ReadAhead(transport._AbstractTransport):  # noqa: SLF001 - the base of both of py-amqp's transports
    """What an event loop reads by: :meth:`receive` when the socket is readable, then the frames.

    All frames that are whole must be taken before the loop waits for the socket again: see
    :attr:`has_unread`. Of the beginning of one, py-amqp's ``read_frame`` goes on with it.
    """

    sock: Any
    connected: bool
    _read_buffer: bytes

    @property
    def has_unread(self) -> bool:
        """Whether something was taken from the socket, which tells no more of it, and not read."""
        return bool(self._read_buffer)

    def receive(self) -> None:
        """Take in what the broker has sent, without waiting.

        Raises ``OSError`` where the connection has ended.
        """
        try:
            received = self._received(RECEIVE_BYTES)
        except (BlockingIOError, TimeoutError):
            return
        except OSError:
            self.connected = False
            raise
        if not received:
            self.connected = False
            raise OSError("the broker has closed the connection")
        self._read_buffer += received

    def next_frame(self) -> tuple[int, int, bytes] | None:
        """Return type, channel and payload of the next frame, None if the rest has yet to come.

        Raises ``UnexpectedFrame`` for what is no frame.
        """
        buffer = self._read_buffer
        if len(buffer) <= FRAME.size:
            return None
        kind, channel, size = FRAME.unpack_from(buffer)
        end = FRAME.size + size
        if len(buffer) <= end:
            return None
        self._read_buffer = buffer[end + 1 :]
        if buffer[end] != END[0]:
            raise UnexpectedFrame(f"a frame ends with {buffer[end]:#04x}, not with {END[0]:#04x}")
        return kind, channel, buffer[FRAME.size : end]

    def _received(self, count: int) -> bytes:
        received: bytes = self.sock.recv(count, socket.MSG_DONTWAIT)
        return received

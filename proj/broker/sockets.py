"""The socket under an AMQP connection: every wait on it ends at the publish deadline."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Any

from amqp import transport
from amqp.utils import set_cloexec

from proj.broker import deadline
from proj.broker.name_lookup import look_up
from proj.broker.reading import ReadAhead

__all__ = ["TCPTransport", "TLSTransport"]

SHORTEST_WAIT_SECONDS = 0.001
"""A wait of zero would make the socket non-blocking, and py-amqp then spins on half a frame."""


LARGE_WRITE_BYTES = 65_536
"""How much is written at once where messages go out together."""


class Bounded(ReadAhead):
    """Bounds connecting, reading and writing by :mod:`proj.broker.deadline`."""

    connect_timeout: float | None
    _quick_recv: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.process_id = os.getpid()
        self._gathered: bytearray | None = None
        # A thread of the pool may acknowledge while the worker's own sends a heartbeat.
        self._writing = Lock()

    def readable(self, seconds: float | None = 0.0) -> bool:
        """Return whether a read would give something: a frame, a part of one, or the end.

        Waits ``seconds`` at most, None for ever.
        """
        if self._read_buffer:
            return True
        if not hasattr(select, "poll"):
            # eventlet takes it away, and leaves select(), which knows no more than 1,024 files.
            return bool(select.select([self.sock], [], [], seconds)[0])
        waiting = select.poll()
        waiting.register(self.sock, select.POLLIN)
        return bool(waiting.poll(None if seconds is None else seconds * 1000))

    @contextmanager
    def corked(self) -> Iterator[None]:
        """Gather what the block writes, and write it in large pieces, the last at its end."""
        self._gathered = bytearray()
        try:
            yield
            gathered, self._gathered = self._gathered, None
            self.write(bytes(gathered))
        finally:
            self._gathered = None

    def having_timeout(self, timeout: float | None) -> AbstractContextManager[Any]:
        """Let socket operations of the block take ``timeout`` seconds, or what is left if less."""
        block: AbstractContextManager[Any] = super().having_timeout(_bounded(timeout))
        return block

    def write(self, data: bytes) -> None:
        """Write all of ``data``; raises ``TimeoutError`` where the peer does not read in time."""
        if self._gathered is not None:
            self._gathered += data
            if len(self._gathered) < LARGE_WRITE_BYTES:
                return
            data, self._gathered = bytes(self._gathered), bytearray()
        with self._writing:
            if deadline.remaining() is None:
                super().write(data)
                return
            with self.having_timeout(None):
                super().write(data)

    def close(self) -> None:
        """Close the socket; in a process forked off since, only this process's copy of it."""
        if self.sock is not None and self.process_id != os.getpid():
            # shutdown() would end the connection under the process that opened it.
            self.sock.close()
            self.sock = None
        super().close()

    def _connect(self, host: str, port: int, timeout: float | None) -> None:
        addresses = look_up(host, port, _bounded(timeout))
        for number, (family, kind, protocol, _, address) in enumerate(addresses, start=1):
            self.sock = socket.socket(family, kind, protocol)
            try:
                set_cloexec(self.sock, True)  # noqa: FBT003 - py-amqp's signature
                self.sock.settimeout(_bounded(timeout))
                self.sock.connect(address)
            except OSError:
                self.sock.close()
                self.sock = None
                if number == len(addresses):
                    raise
            else:
                return

    def _setup_transport(self) -> None:
        super()._setup_transport()
        receive = self._quick_recv

        def receive_before_deadline(count: int) -> bytes:
            # Each piece of a frame on its own: a peer that trickles them gets no extra time.
            if deadline.remaining() is not None:
                self.sock.settimeout(_bounded(self.sock.gettimeout() or None))
            received: bytes = receive(count)
            return received

        self._quick_recv = receive_before_deadline


class TCPTransport(Bounded, transport.TCPTransport):
    """A plain connection."""


class TLSTransport(Bounded, transport.SSLTransport):
    """An encrypted connection."""

    def readable(self, seconds: float | None = 0.0) -> bool:
        """Return whether a read would give something, decrypted bytes included."""
        return bool(self.sock.pending()) or super().readable(seconds)

    @property
    def has_unread(self) -> bool:
        """Whether something was taken from the socket; a record of TLS is decrypted whole."""
        return bool(self.sock.pending()) or super().has_unread

    def _received(self, count: int) -> bytes:
        with self.having_timeout(0):
            received: bytes = self.sock.recv(count)
            # A record is decrypted whole, and the socket tells nothing of the rest of it.
            while self.sock.pending():
                received += self.sock.recv(count)
        return received

    def _setup_transport(self) -> None:
        self.connect_timeout = _bounded(self.connect_timeout)
        super()._setup_transport()
        self.sock.settimeout(None)

    def _shutdown_transport(self) -> None:
        # TLS's own farewell waits for the peer's, without limit. AMQP has said its farewell before.
        pass


def _bounded(seconds: float | None) -> float | None:
    left = deadline.remaining()
    if left is None or seconds == 0:
        return seconds
    return max(SHORTEST_WAIT_SECONDS, left if seconds is None else min(seconds, left))

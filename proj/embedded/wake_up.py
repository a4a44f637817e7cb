"""One datagram says "look at your queues": how a commit in one process reaches a waiting other.

A lost wake-up only delays: every session also looks by itself twice a second.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path

#: Linux reaches a folder through a descriptor: a deep path stays within the 107 bytes of AF_UNIX.
DESCRIPTORS = Path("/proc/self/fd")


class Doorbells:
    """The folder in which every session of the broker file listens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._place = DESCRIPTORS / str(self._descriptor) if DESCRIPTORS.is_dir() else folder
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sender.settimeout(0)

    def __del__(self) -> None:
        # A program may drop its connection without closing it.
        self.close()

    def address(self, session_id: int) -> str:
        """Return the path at which session ``session_id`` listens."""
        return f"{self._place}/{session_id}"

    def ring(self, session_ids: Iterable[int]) -> None:
        """Wake the sessions; one that is gone, or has a ring waiting already, is no error."""
        for session_id in session_ids:
            self.ring_at(self.address(session_id))

    def ring_at(self, address: str) -> None:
        """Wake the session that listens there."""
        with contextlib.suppress(OSError):
            self._sender.sendto(b"\0", address)

    def remove(self, session_id: int) -> None:
        """Delete what session ``session_id`` left behind."""
        (self._folder / str(session_id)).unlink(missing_ok=True)

    def close(self) -> None:
        """Give up the folder's descriptor and the sending socket."""
        self._sender.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Doorbell:
    """The socket on which one session is woken."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self.address = address
        self._private_place: Path | None = None
        try:
            self._socket.bind(address)
        except OSError:
            # Too long a path, and no descriptors to shorten it: then only its own process finds it
            # at another place, and what others publish is seen at the next look.
            self._private_place = Path(tempfile.gettempdir(), f"embedded-{uuid.uuid4().hex[:12]}")
            self.address = str(self._private_place)
            self._socket.bind(self.address)

    def __del__(self) -> None:
        # As above.
        self.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the session is woken."""
        return self._socket.fileno()

    def wait(self, timeout_seconds: float) -> None:
        """Return once the session is woken or ``timeout_seconds`` have passed."""
        # The socket's own timeout and not poll: gevent and eventlet can wait in it. Never 0, which
        # would not wait at all and make a wait of 0.4 ms a spin.
        self._socket.settimeout(max(timeout_seconds, 0.001))
        with contextlib.suppress(TimeoutError):
            self._socket.recv(16)
        self._socket.settimeout(0)
        self.drain()

    def drain(self) -> None:
        """Forget every ring so far: one look answers them all."""
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(16):
                pass

    def close(self) -> None:
        """Stop listening; a forked child does so for itself alone."""
        self._socket.close()

    def remove(self) -> None:
        """Delete the place that nobody else knows."""
        if self._private_place is not None:
            self._private_place.unlink(missing_ok=True)

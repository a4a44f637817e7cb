"""A TCP proxy before a broker: holds, cuts, refuses or trickles what passes, as networks do."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Condition, Thread
from types import TracebackType

__all__ = ["Proxy"]


class Proxy:
    """Forwards from ``port`` of the loopback interface to ``target_port``; a context manager.

    ``answers_limit`` is the number of bytes of the broker's that pass on each connection; what then
    happens is ``at_limit``: ``hold`` (nothing passes any more) or ``cut`` (the connection ends).
    """

    def __init__(
        self, target_port: int, *, answers_limit: int | None = None, at_limit: str = "hold"
    ) -> None:
        self.target_port = target_port
        self.answers_limit = answers_limit
        self.at_limit = at_limit
        self.answer_bytes_per_second: float | None = None
        self.connections = 0
        """How many were taken so far."""
        self.held_bytes = 0
        """How many bytes have come, and did not pass."""
        self.trickled_bytes = 0
        """How many of the broker's bytes passed slowly."""
        self.limits_reached = 0
        """On how many connections the broker's answers reached ``answers_limit``."""
        self._changed = Condition()
        self._holding = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.refuse()
        self.resume()

    def hold(self) -> None:
        """Let nothing pass from now on, in neither direction; connections are still taken."""
        self._set_holding(holding=True)

    def resume(self) -> None:
        """Let pass what was held, and all that follows."""
        self._set_holding(holding=False)

    def cut(self) -> None:
        """End every connection."""
        with self._changed:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def refuse(self) -> None:
        """End every connection, and take none from now on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _set_holding(self, *, holding: bool) -> None:
        with self._changed:
            self._holding = holding
            self._changed.notify_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                broker = socket.create_connection(("127.0.0.1", self.target_port))
                with self._changed:
                    self._sockets += [client, broker]
                Thread(target=self._forward, args=(client, broker, None), daemon=True).start()
                limit = self.answers_limit
                Thread(target=self._forward, args=(broker, client, limit), daemon=True).start()

    def _forward(self, source: socket.socket, to: socket.socket, limit: int | None) -> None:
        answers = source.getpeername()[1] == self.target_port
        with suppress(OSError):
            while data := source.recv(65536):
                passing = data if limit is None else data[:limit]
                self._wait_while_holding(len(passing))
                if answers and self.answer_bytes_per_second:
                    self._trickle(passing, to, self.answer_bytes_per_second)
                else:
                    to.sendall(passing)
                if limit is not None:
                    limit -= len(passing)
                    if not limit:
                        self._at_limit(len(data) - len(passing))
            to.shutdown(socket.SHUT_RDWR)

    def _trickle(self, data: bytes, to: socket.socket, bytes_per_second: float) -> None:
        for byte in data:
            time.sleep(1 / bytes_per_second)
            to.sendall(bytes((byte,)))
            self.trickled_bytes += 1

    def _wait_while_holding(self, count: int) -> None:
        with self._changed:
            self.held_bytes += count if self._holding else 0
            self._changed.wait_for(lambda: not self._holding)

    def _at_limit(self, rest: int) -> None:
        self.limits_reached += 1
        if self.at_limit == "cut":
            self.cut()
        else:
            self.hold()
        self.held_bytes += rest

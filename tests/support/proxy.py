"""A TCP proxy before a broker: holds, cuts, refuses or trickles what passes, as networks do."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        self._held: set[str] = set()
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

    def url(self, url: str) -> str:
        """Return the broker's ``url`` with the proxy in the place of the broker."""
        return url.replace(f":{self.target_port}/", f":{self.port}/")

    def hold(self) -> None:
        """Let nothing pass from now on, in neither direction; connections are still taken."""
        self._set_held({"requests", "answers"})

    def hold_answers(self) -> None:
        """Let nothing of the broker's pass from now on."""
        self._set_held({"answers"})

    def resume(self) -> None:
        """Let pass what was held, and all that follows."""
        self._set_held(set())

    def cut(self) -> None:
        """End every connection."""
        with self._changed:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def on_request(self, broker: socket.socket, data: bytes) -> None:
        """Look at what goes to ``broker`` next; for subclasses."""

    def refuse(self) -> None:
        """End every connection, and take none from now on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def listen_again(self) -> None:
        """Take connections again after :meth:`refuse`, at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        Thread(target=self._accept, daemon=True).start()

    def _set_held(self, directions: set[str]) -> None:
        with self._changed:
            self._held = directions
            self._changed.notify_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                try:
                    broker = socket.create_connection(("127.0.0.1", self.target_port))
                except OSError:
                    client.close()
                    continue
                with self._changed:
                    self._sockets += [client, broker]
                Thread(target=self._forward, args=(client, broker), daemon=True).start()
                Thread(target=self._answer, args=(broker, client), daemon=True).start()

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        with suppress(OSError), _ending(broker):
            while data := client.recv(65536):
                self._wait_while_held("requests", len(data))
                self.on_request(broker, data)
                broker.sendall(data)

    def _answer(self, broker: socket.socket, client: socket.socket) -> None:
        limit = self.answers_limit
        with suppress(OSError), _ending(client):
            while data := broker.recv(65536):
                passing = data if limit is None else data[:limit]
                self._wait_while_held("answers", len(passing))
                self._send_answer(client, passing)
                if limit is not None:
                    limit -= len(passing)
                    if not limit:
                        self._at_limit()

    def _send_answer(self, client: socket.socket, data: bytes) -> None:
        if self.answer_bytes_per_second is None:
            client.sendall(data)
            return
        for byte in data:
            time.sleep(1 / self.answer_bytes_per_second)
            client.sendall(bytes((byte,)))
            self.trickled_bytes += 1

    def _wait_while_held(self, direction: str, count: int) -> None:
        with self._changed:
            self.held_bytes += count if direction in self._held else 0
            self._changed.wait_for(lambda: direction not in self._held)

    def _at_limit(self) -> None:
        self.limits_reached += 1
        if self.at_limit == "cut":
            self.cut()
        else:
            self.hold()


@contextmanager
def _ending(other: socket.socket) -> Iterator[None]:
    """End the other side with this one, which a killed process resets and does not close."""
    try:
        yield
    finally:
        other.shutdown(socket.SHUT_RDWR)

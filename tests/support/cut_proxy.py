"""A TCP proxy before the broker, whose connections a test can cut, and which can be away."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

__all__ = ["CutProxy"]


class CutProxy:
    """Forwards to the broker of ``url``; a context manager."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname or "127.0.0.1", parts.port or 5672)
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.listener = self._listen(0)
        self.port = self.listener.getsockname()[1]
        self.url = url.replace(f":{parts.port}", f":{self.port}")
        self._closing = False

    def __enter__(self) -> CutProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self.go_away()

    def cut(self) -> int:
        """Cut all connections without a word, as a lost network does; return how many."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        return len(pairs)

    def go_away(self) -> int:
        """Cut all connections and take no new ones; return how many were cut."""
        self.listener.close()
        return self.cut()

    def come_back(self) -> None:
        """Take connections again, at the same address."""
        self.listener = self._listen(self.port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        listener.settimeout(0.2)
        return listener

    def _accept(self) -> None:
        listener = self.listener
        while listener is self.listener and not self._closing:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            pair = (client, socket.create_connection(self.target))
            self.pairs.append(pair)
            threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        other = {client: broker, broker: client}
        with suppress(OSError, ValueError, KeyError), selectors.DefaultSelector() as selector:
            for end in other:
                selector.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(timeout=0.5):
                    end = key.fileobj
                    assert isinstance(end, socket.socket)
                    data = end.recv(65_536)
                    if not data:
                        raise OSError("closed")
                    other[end].sendall(data)
        for end in other:
            end.close()

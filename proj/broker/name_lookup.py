"""Looks up the addresses of a host name, for no longer than told."""

from __future__ import annotations

import socket
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

__all__ = ["look_up"]


def look_up(host: str, port: int, timeout_seconds: float | None) -> list[tuple[Any, ...]]:
    """Return what ``socket.getaddrinfo`` returns for TCP; None waits without limit.

    Raises ``socket.gaierror`` for a name without an address, ``TimeoutError`` without an answer.
    """
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, not an address
    # The C library's look-up cannot be interrupted: it is left behind in a thread that ends with
    # its answer, and does not keep the process from ending.
    answers: SimpleQueue[list[tuple[Any, ...]] | OSError] = SimpleQueue()
    Thread(target=_answer, args=(host, port, answers), daemon=True, name="name look-up").start()
    try:
        answer = answers.get(timeout=timeout_seconds)
    except Empty:
        raise TimeoutError(f"no answer to the look-up of the host name {host!r}") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _answer(host: str, port: int, answers: SimpleQueue[list[tuple[Any, ...]] | OSError]) -> None:
    try:
        answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        answers.put(error)

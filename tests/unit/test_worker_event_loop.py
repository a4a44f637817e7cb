"""What Kombu's event loop is spared changes nothing of what it knows."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.asynchronous import Hub

from proj.worker.event_loop import spare_removals


@pytest.fixture
def hub() -> Iterator[Any]:
    """An event loop that is spared, twice, as after the loss of a connection."""
    loop = Hub()
    spare_removals(loop)
    spare_removals(loop)
    yield loop
    loop.close()


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    """A socket that can be read from and written to."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        yield ours


def test_a_writer_is_removed_wherever_there_is_one(hub: Any, sock: socket.socket) -> None:
    """What is read from the same socket stays, and the writer can come back."""
    file = sock.fileno()
    hub.add_reader(file, print)
    for _ in range(2):
        hub.add_writer(file, print)
        hub.remove_writer(file)
        hub.remove_writer(file)

        assert (set(hub.readers), set(hub.writers)) == ({file}, set())


def test_a_file_is_removed_too(hub: Any, sock: socket.socket) -> None:
    """Not only its number."""
    hub.add_writer(sock, print)

    hub.remove_writer(sock)

    assert not hub.writers


def test_the_kernel_is_asked_nothing_for_a_writer_that_is_not_there(hub: Any) -> None:
    """That is the point of it."""
    asked: list[int] = []
    hub._unregister = asked.append  # noqa: SLF001 - by which Kombu asks

    hub.remove_writer(1_000)

    assert asked == []

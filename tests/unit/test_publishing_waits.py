"""The deadline of the running thread, and the look-up of names in bounds."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from proj.broker import deadline
from proj.broker.name_lookup import look_up


def test_without_a_deadline_a_wait_is_as_long_as_it_was() -> None:
    """Consuming and all else outside of a publish keep their own timeouts."""
    assert deadline.remaining() is None
    assert deadline.bounded(None) is None
    assert deadline.bounded(7) == 7


def test_within_a_deadline_every_wait_is_bounded_and_afterwards_none() -> None:
    """What is left bounds a longer wait, and a wait without limit; a shorter one stays."""
    with deadline.within(60):
        assert 50 < (deadline.bounded(None) or 0) <= 60
        assert 50 < (deadline.bounded(100) or 0) <= 60
        assert deadline.bounded(1) == 1

    assert deadline.remaining() is None


def test_an_inner_deadline_cannot_outlast_the_outer_one() -> None:
    """The caller's deadline holds, whatever a publish inside of it asks for."""
    with deadline.within(5), deadline.within(60):
        assert (deadline.remaining() or 0) <= 5


def test_the_fallback_counts_only_where_nobody_set_a_deadline() -> None:
    """A longer deadline of the caller's is not cut to the fallback."""
    with deadline.within_fallback():
        assert (deadline.remaining() or 0) <= deadline.FALLBACK_SECONDS
    with deadline.within(60), deadline.within_fallback():
        assert (deadline.remaining() or 0) > deadline.FALLBACK_SECONDS


def test_another_thread_has_no_part_in_it() -> None:
    """A deadline belongs to the thread that publishes."""
    seen: list[float | None] = []
    with deadline.within(5):
        thread = threading.Thread(target=lambda: seen.append(deadline.remaining()))
        thread.start()
        thread.join()

    assert seen == [None]


def test_an_address_is_not_looked_up_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host given as an address costs no thread."""
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))

    assert look_up("127.0.0.1", 5672, 1)[0][4] == ("127.0.0.1", 5672)


def test_a_name_without_an_address_raises_what_the_system_says() -> None:
    """``gaierror`` comes out of the thread as it is."""
    with pytest.raises(socket.gaierror):
        look_up("no such host", 5672, 10)


def test_a_look_up_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller goes on at its deadline, and is told which name it was."""
    answer = threading.Event()

    def hanging(*_: Any, flags: int = 0, **__: Any) -> Any:
        if flags:
            raise socket.gaierror("not an address")
        answer.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"broker\.example"):
        look_up("broker.example", 5672, 0.1)
    answer.set()

    assert time.monotonic() - began < 1

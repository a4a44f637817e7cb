"""The retention of dead letters outlives whatever a letter tells of its time."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from proj.dead_letters import retaining
from proj.dead_letters.letter import WHEN, read
from proj.settings import Settings
from proj.worker import retention
from proj.worker.retention import Retention
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def test_a_letter_from_the_end_of_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """No later time can be told than its own; it is too old in as many seconds as it says."""
    letter = SimpleNamespace(letter=read({WHEN: "9999-12-31T23:59:59"}))

    @contextmanager
    def holding(*_: object, **__: object) -> Iterator[Any]:
        yield type("Held", (list,), {"count": 1})([(1, letter)])

    monkeypatch.setattr(retaining, "holding", holding)
    app: Any = None

    left = retaining.remove_old(
        app, keep_seconds=86_400, keep_count=None, at_most=1, on_removed=lambda _: None
    )

    assert left is not None
    assert left > 86_400


def test_whatever_fails_is_logged_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody thought of ends neither the thread nor the retention."""

    def fail(*_: object, **__: object) -> None:
        raise TypeError("nobody thought of it")

    monkeypatch.setattr(retention, "remove_old", fail)
    consumer = SimpleNamespace(
        app=None, work_queue_settings=Settings(dead_letters_keep_seconds=60.0)
    )
    looking = Retention(consumer)

    def failures() -> int:
        looking.look()
        return caplog.messages.count("Retention: failed, trying again in 60 s")

    wait_until(failures, lambda count: count >= 2, what="it was tried, and failed, twice")
    assert "nobody thought of it" in caplog.text

"""The thread that removes old dead letters outlives whatever fails in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from proj.dead_letters import retaining
from proj.settings import Settings
from proj.worker.retention import Retention
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import pytest


def test_whatever_fails_is_logged_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody thought of ends neither the thread nor the retention."""

    def fail(*_: object, **__: object) -> None:
        raise TypeError("nobody thought of it")

    monkeypatch.setattr(retaining, "remove_old", fail)
    consumer = SimpleNamespace(
        app=None, work_queue_settings=Settings(dead_letters_keep_seconds=60.0)
    )
    looking = Retention(consumer)

    def failures() -> int:
        looking.look()
        return caplog.messages.count("Retention: failed, trying again in 60 s")

    wait_until(failures, lambda count: count >= 2, what="it was tried, and failed, twice")
    assert "nobody thought of it" in caplog.text

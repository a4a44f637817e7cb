"""Receivers of signals that raise, while events are sent (``-E``): nothing is lost or loops."""

from __future__ import annotations

import signal

from proj.dead_letters.reasons import Reason
from tests.support.settlement_scene import Scene

pytest_plugins = ["tests.support.settlement_fixtures"]

ENDINGS = {
    "fail": (Reason.FAILED, 1),
    "retry": (Reason.FAILED, 3),
    "refuse": (Reason.REJECTED, 1),
    "too_long": (Reason.TIME_LIMIT, 1),
    "kill_process_twice": (Reason.ATTEMPTS_EXHAUSTED, 2),
}


def test_a_receiver_that_raises_changes_no_ending(any_scene: Scene) -> None:
    """Whichever signal of a task it listens to, each task ends as without it, exactly once."""
    for task in ("note", "ignore", *ENDINGS):
        any_scene.send(task, task)
    worker = any_scene.worker(
        concurrency=2, options=("-E",), environment={"TEST_RAISING_RECEIVERS": "1"}
    )

    letters = any_scene.wait_letters(len(ENDINGS))

    assert "a receiver is broken" in worker.log()
    assert {letter.task: letter.reason for letter, _, _ in letters} == {
        task: reason for task, (reason, _) in ENDINGS.items()
    }
    runs = {task: runs for task, (_, runs) in ENDINGS.items()}
    assert any_scene.begun() == {"note": 1, "ignore": 1, **runs}
    any_scene.wait_empty()
    worker.signal(signal.SIGTERM)
    assert worker.wait_end() == 0
    assert any_scene.broker.waiting() == 0, "no message was still held"

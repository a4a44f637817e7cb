"""Revoked tasks are what somebody wanted: acknowledged, never run again, and no dead letter."""

from __future__ import annotations

import signal

from proj.dead_letters.reasons import Reason
from tests.support.settlement_scene import Scene

pytest_plugins = ["tests.support.settlement_fixtures"]


def test_a_revoked_task_is_gone_whether_it_waits_or_runs(any_scene: Scene) -> None:
    """One waits behind two that run and are terminated by either signal; one has expired too."""
    worker = any_scene.worker(concurrency=2)
    running = any_scene.send("sleep", "running", 60)
    killed = any_scene.send("sleep", "killed", 60)
    any_scene.wait_begun("running")
    any_scene.wait_begun("killed")
    waiting = any_scene.send("note", "waiting")
    late = any_scene.send("note", "late", expires="2020-01-01T00:00:00+00:00")
    any_scene.send("fail", "neighbour")

    any_scene.control("revoke", task_id=[waiting, late])
    any_scene.control("revoke", task_id=running, terminate=True)
    any_scene.control("revoke", task_id=killed, terminate=True, signal="SIGKILL")

    letters = any_scene.wait_letters(2)
    assert {letter.reason for letter, _, _ in letters} == {Reason.EXPIRED, Reason.FAILED}
    assert any_scene.begun() == {"running": 1, "killed": 1, "neighbour": 1}
    for task_id in (running, killed, waiting):
        assert '"REVOKED"' in any_scene.result(task_id)
    any_scene.wait_empty()
    worker.signal(signal.SIGTERM)
    assert worker.wait_end() == 0
    assert any_scene.broker.waiting() == 0, "no message of theirs was still held"

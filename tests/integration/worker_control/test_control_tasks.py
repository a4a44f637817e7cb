"""``celery control``: revoking by stamps, rate limits and time limits, while the worker works."""

from __future__ import annotations

from itertools import pairwise

import pytest

from proj.dead_letters.reasons import Reason
from tests.support.control_scene import ControlScene
from tests.support.waiting import wait_until
from tests.support.worker import Worker


@pytest.fixture(scope="module")
def worker(scene: ControlScene) -> Worker:
    """One worker with two processes, for all tests here."""
    return scene.worker("controlled", concurrency=2)


def test_tasks_are_revoked_by_their_stamps_whether_they_wait_or_run(
    scene: ControlScene, worker: Worker
) -> None:
    """Those that run are terminated, the one that waits never begins; none is a dead letter."""
    stamps = {"stamps": {"order": ["7"]}, "stamped_headers": ["order"]}
    running = [scene.send("hold", name, **stamps) for name in ("stamped-1", "stamped-2")]
    scene.wait_run("stamped-1")
    scene.wait_run("stamped-2")
    waiting = scene.send("note", "stamped-waiting", **stamps)

    scene.ask(worker, "revoke_by_stamped_headers", headers={"order": ["7"]}, terminate=True)

    scene.send("note", "without-a-stamp")
    scene.wait_begun("without-a-stamp")
    for task_id in (*running, waiting):
        wait_until(lambda each=task_id: '"REVOKED"' in scene.result(each), what="it is revoked")  # type: ignore[misc]
    begun = scene.begun()
    assert (begun["stamped-1"], begun["stamped-2"], begun["stamped-waiting"]) == (1, 1, 0)
    scene.wait_empty()
    assert not scene.broker.take_letters()


def test_what_was_revoked_is_told(scene: ControlScene, worker: Worker) -> None:
    """``inspect revoked`` has the id, and the task with that id never begins."""
    scene.ask(worker, "revoke", task_id="not-wanted")
    assert "not-wanted" in scene.ask(worker, "revoked")

    scene.send("note", "revoked-before", id="not-wanted")
    scene.send("note", "after-the-revoked")

    scene.wait_begun("after-the-revoked")
    scene.wait_empty()
    assert not scene.begun()["revoked-before"]


def test_a_rate_limit_holds_for_the_worker_and_not_for_each_process(
    scene: ControlScene, worker: Worker
) -> None:
    """Thirty a minute: with two processes, still one every two seconds."""
    answer = scene.ask(worker, "rate_limit", task_name="note", rate_limit="30/m")
    assert answer == {"ok": "new rate limit set successfully"}
    names = [f"limited-{number}" for number in range(3)]
    for name in names:
        scene.send("note", name)
    for name in names:
        scene.wait_begun(name)

    runs = scene.runs(names)
    gaps = [later.time - earlier.time for earlier, later in pairwise(runs)]
    assert all(gap > 1 for gap in gaps), gaps
    answer = scene.ask(worker, "rate_limit", task_name="note", rate_limit=0)
    assert answer == {"ok": "rate limit disabled successfully"}


def test_a_time_limit_that_was_changed_holds_for_the_next_task(
    scene: ControlScene, worker: Worker
) -> None:
    """A task that had no limit is ended by its new one; without it again, it runs on."""
    answer = scene.ask(worker, "time_limit", task_name="hold", hard=1.0)
    assert answer == {"ok": "time limits set successfully"}
    scene.send("hold", "limited")

    ((letter, _, _),) = scene.wait_letters()

    assert (letter.reason, letter.task) == (Reason.TIME_LIMIT, "hold")
    assert scene.begun()["limited"] == 1
    scene.ask(worker, "time_limit", task_name="hold", hard=None, soft=None)
    scene.send("hold", "unlimited")
    scene.wait_run("unlimited")
    scene.release("unlimited")
    scene.wait_begun("unlimited-ended")

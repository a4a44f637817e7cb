"""``celery control``: the pool grows, shrinks, is restarted, and scales by itself."""

from __future__ import annotations

import signal

import pytest

from tests.support.control_scene import ControlScene
from tests.support.waiting import wait_until
from tests.support.worker import Worker


@pytest.fixture(scope="module")
def worker(scene: ControlScene) -> Worker:
    """One worker with two processes, for all tests here."""
    return scene.worker("pool", concurrency=2)


def test_a_pool_grows_and_shrinks_and_holds_no_more_messages_than_it_runs(
    scene: ControlScene, worker: Worker
) -> None:
    """With one process more it runs one task more, where prefetch follows; the rest waits."""
    assert "ok" in scene.ask(worker, "pool_grow", n=1)
    grown = scene.wait_pool(worker, 3)
    at_once = 3 if scene.kind.prefetch_follows_pool else 2
    assert run_at_once(scene, "grown", at_once) <= grown

    assert "ok" in scene.ask(worker, "pool_shrink", n=1)
    shrunk = scene.wait_pool(worker, 2)
    assert run_at_once(scene, "shrunk", 2) == shrunk


def test_a_pool_that_is_restarted_has_new_processes_which_work(
    scene: ControlScene, worker: Worker
) -> None:
    """``worker_pool_restarts`` is set: no process that was there works on, and no task is lost."""
    before = set(worker.pool_pids())
    assert scene.ask(worker, "pool_restart") == {"ok": "reload started"}

    # Celery's pool replaces a process as it is given its next task.
    sent = []

    def pids_after_another_task() -> set[int]:
        sent.append(f"restarted-{len(sent)}")
        scene.send("note", sent[-1])
        scene.wait_begun(sent[-1])
        return set(worker.pool_pids())

    after = wait_until(
        pids_after_another_task,
        lambda pids: len(pids) == 2 and not pids & before,
        what="both processes are new",
    )
    assert run_at_once(scene, "after-the-restart", 2) == after
    assert all(scene.begun()[name] == 1 for name in sent)


def test_the_autoscaler_follows_the_load_within_its_limits(
    scene: ControlScene, worker: Worker
) -> None:
    """Between one and two processes as started, between two and three as told later."""
    worker.signal(signal.SIGTERM)
    assert worker.wait_end() == 0
    scaling = scene.worker("scaling", options=("--autoscale=2,1",))
    scene.wait_pool(scaling, 1)
    run_at_once(scene, "scaled", 2)
    scene.wait_pool(scaling, 2)

    assert scene.ask(scaling, "autoscale", max=4, min=3) == {"ok": "autoscale now max=4 min=3"}
    scene.wait_pool(scaling, 3)
    run_at_once(scene, "scaled-again", 4 if scene.kind.prefetch_follows_pool else 2)


def run_at_once(scene: ControlScene, name: str, count: int) -> set[int]:
    """Let ``count`` tasks run at once and one more wait; return the processes, once all ended."""
    names = [f"{name}-{number}" for number in range(count + 1)]
    for each in names:
        scene.send("hold", each)
    runs = wait_until(
        lambda: scene.runs(names), lambda runs: len(runs) == count, what=f"{count} tasks run"
    )
    wait_until(scene.broker.waiting, lambda waiting: waiting == 1, what="one message waits")
    scene.release(*names)
    for each in names:
        scene.wait_begun(f"{each}-ended")
    return {run.pid for run in runs}

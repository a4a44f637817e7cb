"""Processes that are killed in mid-task: by anybody, by the kernel, and the main process itself."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.control_scene import ControlScene
from tests.support.memory_limit import MemoryLimit, can_limit_memory
from tests.support.waiting import wait_until
from tests.support.worker import Worker


@pytest.fixture(scope="module")
def worker(scene: ControlScene) -> Worker:
    """One worker with two processes, for all tests here."""
    return scene.worker("killed", concurrency=2)


def test_the_message_of_a_killed_process_is_begun_by_another_one_in_time(
    scene: ControlScene, worker: Worker
) -> None:
    """One process is killed, the other one is idle; the worker stays, with as many processes."""
    scene.send("hold", "killed")
    first = scene.wait_run("killed")
    os.kill(first.pid, signal.SIGKILL)
    killed = time.time()

    second = scene.wait_run("killed", 2)

    assert second.pid != first.pid
    assert second.time - killed < scene.kind.redelivery_seconds
    scene.release("killed")
    scene.wait_begun("killed-ended")
    scene.wait_pool(worker, 2)
    scene.wait_empty()


@pytest.mark.usefixtures("worker")
def test_a_process_that_a_task_left_behind_does_not_hide_the_death_of_its_own(
    scene: ControlScene,
) -> None:
    """It has inherited every file of the killed one, and lives on."""
    scene.send("leave_behind", "leaving")
    first = scene.wait_run("leaving")
    left = wait_until(lambda: left_behind(scene), what="a process is left behind")
    os.kill(first.pid, signal.SIGKILL)
    killed = time.time()

    second = scene.wait_run("leaving", 2)

    assert all(runs(pid) for pid in left), "the process that was left behind is gone"
    assert second.time - killed < scene.kind.redelivery_seconds
    scene.release("leaving")
    scene.wait_begun("leaving-ended")
    scene.wait_empty()
    for pid in left_behind(scene):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not can_limit_memory(), reason="memory is limited by root, in a control group")
def test_a_process_that_the_kernel_kills_for_its_memory_loses_nothing(
    scene: ControlScene, worker: Worker
) -> None:
    """The kernel's own count of its kills proves it; the message runs in another process."""
    scene.wait_pool(worker, 2)
    scene.send("allocate", "large", 200)
    first = scene.wait_run("large")
    with MemoryLimit(megabytes=50) as limit:
        limit.add(first.pid)
        scene.release("large")
        wait_until(limit.kills, lambda kills: kills == 1, what="the kernel kills the process")

        second = scene.wait_run("large", 2)

    assert second.pid != first.pid
    scene.wait_begun("large-kept")
    scene.wait_empty()
    assert not scene.broker.take_letters()


def test_no_process_outlives_the_main_process(scene: ControlScene, worker: Worker) -> None:
    """SIGKILL of the main process alone, one task running: all is back, and nothing runs unseen."""
    pids = scene.wait_pool(worker, 2)
    scene.send("hold", "orphan")
    scene.wait_run("orphan")
    assert worker.process is not None
    worker.signal(signal.SIGKILL)
    assert worker.wait_end() == -signal.SIGKILL

    wait_until(
        lambda: [pid for pid in pids if runs(pid)],
        lambda left: not left,
        what="no process is left",
        timeout_seconds=5,
    )
    wait_until(lambda: scene.broker.take(scene.queue), what="the message is back")
    assert scene.begun()["orphan-ended"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_no_process_outlives_a_stop(scene: ControlScene, number: signal.Signals) -> None:
    """SIGINT lets the task end, SIGQUIT gives its message back: either way nothing runs unseen."""
    worker = scene.worker(f"stopped-by-{number}", concurrency=2)
    pids = scene.wait_pool(worker, 2)
    name = f"held-at-{number}"
    scene.send("hold", name)
    scene.wait_run(name)

    worker.signal(number)
    worker.wait_for_log("Stopping: no new message")
    if number == signal.SIGINT:
        scene.release(name)

    assert worker.wait_end() == 0
    assert not [pid for pid in pids if runs(pid)]
    was_finished = number == signal.SIGINT
    assert scene.begun()[f"{name}-ended"] == was_finished
    wait_until(
        scene.broker.waiting,
        lambda waiting: waiting == (not was_finished),
        what="what was not finished is back",
    )


def left_behind(scene: ControlScene) -> list[int]:
    """Return the ids of the processes that tasks have left behind."""
    file = scene.folder / "left"
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def runs(pid: int) -> bool:
    """Return whether the process runs; one that has ended and waits for its parent does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False

"""Limits of time, tasks and memory: they hold whatever a task does, and lose nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from proj.dead_letters.reasons import Reason
from tests.support.control_scene import ControlScene
from tests.support.waiting import wait_until
from tests.support.worker import Worker

HEARTBEAT_SECONDS = 3
"""The broker sends one in half of it: at two seconds, each within the second in which a worker that
starts waits for its neighbours, and begins that wait again."""

STUBBORN = ("swallow", "sleep_in_c", "compute_in_c")
"""Tasks with a soft limit of one second and a hard one of two."""


@pytest.fixture(scope="module")
def worker(scene: ControlScene) -> Worker:
    """One worker whose heartbeat is shorter than its tasks are long, for the limits of time."""
    return scene.worker(
        "limited", concurrency=3, environment={"TEST_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS)}
    )


@pytest.mark.usefixtures("worker")
def test_a_task_that_gives_no_way_is_ended_at_its_hard_limit(scene: ControlScene) -> None:
    """It catches everything, sleeps in C, or lets no Python run: one letter, and the next runs."""
    for task in STUBBORN:
        scene.send(task, task)

    letters = scene.wait_letters(len(STUBBORN))

    assert sorted(letter.task or "" for letter, _, _ in letters) == sorted(STUBBORN)
    assert {letter.reason for letter, _, _ in letters} == {Reason.TIME_LIMIT}
    assert {scene.begun()[task] for task in STUBBORN} == {1}
    for number in range(3):
        scene.send("note", f"after-the-limit-{number}")
        scene.wait_begun(f"after-the-limit-{number}")
    scene.wait_empty()


@pytest.mark.usefixtures("worker")
def test_a_task_that_heeds_its_soft_limit_ends_well(scene: ControlScene) -> None:
    """It catches the exception, tidies up and succeeds: acknowledged, and no dead letter."""
    task_id = scene.send("tidy_up", "tidy")

    scene.wait_begun("tidy-tidied")

    wait_until(lambda: '"SUCCESS"' in scene.result(task_id), what="it has succeeded")
    scene.wait_empty()
    assert not scene.broker.take_letters()


def test_a_task_that_lets_no_thread_run_keeps_its_connection(
    scene: ControlScene, worker: Worker
) -> None:
    """For three and a half heartbeats: the broker does not give it to another process too."""
    seconds = int(HEARTBEAT_SECONDS * 3.5)
    connections = worker.log().count("Connected to")
    scene.send("keep_interpreter", "kept", seconds)
    scene.wait_begun("kept")

    scene.wait_begun("kept-ended", timeout_seconds=seconds + 20)

    scene.send("note", "after-it")
    scene.wait_begun("after-it")
    scene.wait_empty()
    assert scene.begun()["kept"] == 1
    assert worker.log().count("Connected to") == connections


def test_a_process_is_replaced_after_its_tasks_or_its_memory_and_loses_no_message(
    scene: ControlScene, worker: Worker
) -> None:
    """``max_tasks_per_child`` and ``max_memory_per_child``: each message runs exactly once."""
    worker.end()
    scene.worker(
        "replacing",
        concurrency=1,
        options=("--max-tasks-per-child=3", "--max-memory-per-child=200000"),
    )
    names = [f"replaced-{number}" for number in range(7)]
    for name in names:
        scene.send("note", name)
    scene.wait_begun(names[-1])
    by_process = Counter(run.pid for run in scene.runs(names))
    assert sorted(by_process.values()) == [1, 3, 3]

    scene.release("hungry")
    scene.send("allocate", "hungry", 200)
    hungry = scene.wait_run("hungry")
    scene.send("note", "after-the-hungry")
    assert scene.wait_run("after-the-hungry").pid != hungry.pid

    scene.wait_empty()
    assert {scene.begun()[name] for name in (*names, "hungry")} == {1}
    assert not scene.broker.take_letters()

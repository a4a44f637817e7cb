"""Stopping: no new message, some grace, back what is not finished, and no attempt counted."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until

pytest_plugins = ["tests.support.settlement_fixtures"]


def test_sigterm_lets_a_running_task_end_and_takes_no_new_message(any_scene: Scene) -> None:
    """What runs ends and is acknowledged; what waits stays in the queue; exit code 0."""
    worker = any_scene.worker(concurrency=1)
    any_scene.send("sleep", "running", 2)
    any_scene.wait_begun("running")
    any_scene.send("note", "waiting")

    worker.signal(signal.SIGTERM)

    assert worker.wait_end(10) == 0
    assert any_scene.begun() == {"running": 1, "running-ended": 1}
    assert any_scene.broker.waiting() == 1, "the message that waits, and no other"
    assert "during closing channel" not in worker.log()


@pytest.mark.parametrize("any_scene", ["quorum", "embedded"], indirect=True)
def test_remote_control_stops_a_worker_as_sigterm_does(any_scene: Scene) -> None:
    """``celery control shutdown``, and Flower: what runs has its grace, which stock cuts short."""
    worker = any_scene.worker(concurrency=2, environment={"WORK_QUEUE_STOP_GRACE_SECONDS": "4"})
    any_scene.send("sleep", "long", 60)
    any_scene.send("sleep", "short", 2)
    any_scene.wait_begun("long")
    any_scene.wait_begun("short")

    (answer,) = any_scene.control("shutdown")

    assert list(answer.values()) == [{"ok": "stopping"}]
    assert worker.wait_end(15) == 0
    assert any_scene.begun() == {"long": 1, "short": 1, "short-ended": 1}
    returned = take_back(any_scene)
    assert returned[0].headers["x-attempts"] == 0


@pytest.mark.parametrize(
    ("grace_seconds", "signals"),
    [
        ("1", [signal.SIGTERM]),
        ("60", [signal.SIGTERM, signal.SIGTERM]),
        ("60", [signal.SIGQUIT]),
        ("60", [signal.SIGINT, signal.SIGINT]),
    ],
)
def test_what_is_not_finished_goes_back_at_once_and_was_no_attempt(
    any_scene: Scene, grace_seconds: str, signals: list[signal.Signals]
) -> None:
    """After the grace, or at the second signal, the queue has the message as it was before."""
    worker = any_scene.worker(
        concurrency=2, environment={"WORK_QUEUE_STOP_GRACE_SECONDS": grace_seconds}
    )
    any_scene.send("sleep", "long", 60)
    any_scene.send("sleep", "longer", 60)
    any_scene.wait_begun("long")
    any_scene.wait_begun("longer")

    began = time.monotonic()
    for number in signals:
        worker.signal(number)
        time.sleep(0.3)  # Signals that are pending together are delivered once.

    assert worker.wait_end(20) == 0
    assert time.monotonic() - began < 5
    returned = [take_back(any_scene) for _ in range(2)]
    assert [each[0].headers["x-attempts"] for each in returned] == [0, 0]
    assert not any_scene.broker.take_letters()


def test_seven_restarts_in_mid_task_do_not_make_a_dead_letter(any_scene: Scene) -> None:
    """A deployment a day must not exhaust the attempts of a task that takes long."""
    any_scene.send("sleep", "long", 60)
    for number in range(7):
        worker = any_scene.worker(f"w{number}", concurrency=1)
        any_scene.wait_begun("long", number + 1)
        worker.signal(signal.SIGQUIT)
        assert worker.wait_end(10) == 0

    assert not any_scene.broker.take_letters()
    assert any_scene.broker.waiting() == 1


@pytest.mark.own_machine
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_pools_without_processes_stop_in_time_too(any_scene: Scene, pool: str) -> None:
    """A thread cannot be ended, but the worker can: its message is back, and no attempt."""
    worker = any_scene.worker(
        pool=pool, concurrency=1, environment={"WORK_QUEUE_STOP_GRACE_SECONDS": "1"}
    )
    any_scene.send("sleep", "long", 60)
    any_scene.wait_begun("long")

    worker.signal(signal.SIGTERM)

    assert worker.wait_end(15) == 0
    returned = take_back(any_scene)
    assert returned[0].headers["x-attempts"] == 0


def test_a_task_that_waits_for_its_rate_limit_goes_back(any_scene: Scene) -> None:
    """What has no process yet does not wait for one: it is back before the worker ends."""
    worker = any_scene.worker(concurrency=2)
    any_scene.send("one_a_minute", "first")
    any_scene.send("one_a_minute", "second")
    any_scene.wait_begun("first")

    worker.signal(signal.SIGTERM)

    assert worker.wait_end(10) == 0
    assert any_scene.begun() == {"first": 1}
    returned = take_back(any_scene)
    assert returned[0].headers["x-attempts"] == 0


def take_back(any_scene: Scene) -> Any:
    """Take the message that is back in the queue; a broker shows it a moment after it has it."""
    return wait_until(lambda: any_scene.broker.take(any_scene.queue), what="the message is back")

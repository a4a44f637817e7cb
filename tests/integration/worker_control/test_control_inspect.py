"""``celery inspect``: what one worker tells of itself, its queues and its tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.control_scene import ControlScene
from tests.support.waiting import wait_until
from tests.support.worker import Worker


@pytest.fixture(scope="module")
def worker(scene: ControlScene) -> Worker:
    """One worker with two processes, for all tests here."""
    return scene.worker("inspected", concurrency=2)


@pytest.fixture
def second_queue(scene: ControlScene, worker: Worker) -> Iterator[str]:
    """A queue that the worker consumes from too, as long as the test needs it."""
    name = f"{scene.queue}-second"
    scene.ask(worker, "add_consumer", queue=name)
    wait_consumers(scene, name, 1)
    yield name
    scene.ask(worker, "cancel_consumer", queue=name)
    wait_consumers(scene, name, 0)
    scene.broker.channel.queue_delete(name)


def test_active_tells_which_task_runs_in_which_process(scene: ControlScene, worker: Worker) -> None:
    """Its id, name, arguments, process and start; and nothing once it is done."""
    task_id = scene.send("hold", "active")
    run = scene.wait_run("active")

    (task,) = wait_until(lambda: scene.ask(worker, "active"), what="the running task is told")

    assert (task["id"], task["name"], task["args"]) == (task_id, "hold", ["active"])
    assert (task["hostname"], task["worker_pid"]) == (worker.node, run.pid)
    assert task["acknowledged"] is False
    assert abs(task["time_start"] - run.time) < 5
    assert task["delivery_info"]["routing_key"] == scene.queue
    told = scene.ask(worker, "query_task", ids=[task_id])
    assert told[task_id][0] == "active"
    scene.release("active")
    wait_until(lambda: not scene.ask(worker, "active"), what="nothing runs")


def test_reserved_tells_what_waits_in_the_worker_for_a_process(
    scene: ControlScene, worker: Worker, second_queue: str
) -> None:
    """Prefetch is one for each process *and queue*: a message of a second queue waits here."""
    for name in ("busy-1", "busy-2"):
        scene.send("hold", name)
        scene.wait_run(name)
    task_id = scene.send("note", "reserved", queue=second_queue)

    (task,) = wait_until(lambda: scene.ask(worker, "reserved"), what="a task waits in the worker")

    assert (task["id"], task["name"], task["args"]) == (task_id, "note", ["reserved"])
    wait_until(lambda: len(scene.ask(worker, "active")) == 2, what="two tasks run")
    assert not scene.begun()["reserved"]
    scene.release("busy-1", "busy-2")
    scene.wait_begun("reserved")


def test_a_delayed_task_waits_on_the_broker_and_not_in_the_worker(
    scene: ControlScene, worker: Worker
) -> None:
    """``scheduled`` is empty although delayed tasks came, and they hold nobody back."""
    before = scene.ask(worker, "work_queue_status")["taken"]
    eta = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 3_600))
    for number in range(4):
        scene.send("note", f"delayed-{number}", eta=eta)
    scene.send("note", "not-delayed")

    scene.wait_begun("not-delayed")
    taken = scene.ask(worker, "work_queue_status")["taken"]
    assert taken - before >= 5
    assert scene.ask(worker, "scheduled") == []
    scene.wait_empty()


def test_stats_tell_of_the_pool_and_of_the_tasks_so_far(
    scene: ControlScene, worker: Worker
) -> None:
    """The main process, the processes, their number, and how many tasks of each name came."""
    before = scene.ask(worker, "stats")["total"].get("note", 0)
    for number in range(3):
        scene.send("note", f"counted-{number}")
        scene.wait_begun(f"counted-{number}")

    stats = scene.ask(worker, "stats")

    assert worker.process is not None
    assert stats["pid"] == worker.process.pid
    assert stats["pool"]["max-concurrency"] == 2
    assert set(stats["pool"]["processes"]) == set(worker.pool_pids())
    assert stats["total"]["note"] - before == 3
    assert stats["broker"]["transport"] == "amqp"


def test_registered_and_active_queues_tell_what_the_worker_is_for(
    scene: ControlScene, worker: Worker, second_queue: str
) -> None:
    """The names of its tasks, and of the queues that it consumes from."""
    registered = {told.split()[0] for told in scene.ask(worker, "registered")}
    queues = {queue["name"] for queue in scene.ask(worker, "active_queues")}

    assert {"note", "hold", "fail"} <= registered
    assert queues == {scene.queue, second_queue}


def test_an_added_queue_is_consumed_from_until_it_is_cancelled(
    scene: ControlScene, worker: Worker, second_queue: str
) -> None:
    """What comes after ``cancel_consumer`` stays in its queue; the work queue goes on."""
    scene.send("note", "from-the-second", queue=second_queue)
    scene.wait_begun("from-the-second")

    scene.ask(worker, "cancel_consumer", queue=second_queue)
    wait_consumers(scene, second_queue, 0)
    scene.send("note", "too-late", queue=second_queue)
    scene.send("note", "from-the-first")

    scene.wait_begun("from-the-first")
    assert scene.broker.waiting(second_queue) == 1
    assert [each["name"] for each in scene.ask(worker, "active_queues")] == [scene.queue]


def wait_consumers(scene: ControlScene, queue: str, least: int) -> None:
    """Return once the broker knows consumers of ``queue``: ``least``, or none if that is 0."""

    def count() -> int:
        with type(scene.broker)(scene.url) as broker:
            return int(broker.channel.queue_declare(queue, durable=True).method.consumer_count)

    wait_until(
        count,
        lambda consumers: consumers >= least if least else consumers == 0,
        what=f"{queue} has its consumers",
    )

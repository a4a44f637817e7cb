"""``workqueue pause``: every worker, now and after any restart, until ``workqueue resume``."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu import Connection

from proj import pause
from proj.settings import Settings
from tests.integration.conftest import AnyBroker, WorkerFactory
from tests.support.broker import Broker
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.worker_kinds import KINDS, chosen_kind
from tests.support.workqueue_command import health, run, run_json

SETTINGS = Settings()


@contextmanager
def channel_to(url: str) -> Iterator[Any]:
    """Give a channel that tells no worker of what it does."""
    with Connection(url) as connection, connection.channel() as channel:
        yield channel


def test_every_worker_pauses_now_and_after_a_restart_until_resumed(
    any_broker: AnyBroker, workers: WorkerFactory, tmp_path: Path
) -> None:
    """What runs finishes, publishing goes on, nothing new begins anywhere; then all of it runs."""
    environment = {"WORK_QUEUE_RUNTIME_FOLDER": str(tmp_path / "run")}
    first = workers("first", any_broker.url, environment=environment)
    second = workers("second", any_broker.url, environment=environment)
    any_broker.publish(b"running..")
    wait_until(lambda: first.received() + second.received(), what="the message runs")

    paused = run(any_broker.url, "pause", "--by", "ada: upgrade")
    for number in range(3):
        any_broker.publish(f"waits {number}".encode())
    second.signal(signal.SIGTERM)
    assert second.wait_end() == 0
    again = workers("again", any_broker.url, environment=environment)
    again.wait_for_log(r"Paused since .* by ada: upgrade")

    assert paused.returncode == 0, paused.stderr
    assert "Obeyed by first@localhost, second@localhost" in paused.stdout
    wait_until(lambda: first.done() + second.done(), what="the message that ran is done")
    told = run_json(any_broker.url, "status")
    assert (told["paused"]["by"], told["work"]["ready"]) == ("ada: upgrade", 3)
    assert [each["kind"] for each in told["warnings"]] == ["paused"]
    ready = health(tmp_path / "run", "--ready")
    assert ready.returncode == 0, ready.stdout + ready.stderr
    assert ready.stdout.count("by ada: upgrade") == 2

    resumed = run_json(any_broker.url, "resume")

    assert (resumed["by"], resumed["paused"]) == ("ada: upgrade", False)
    any_broker.wait_empty()
    wait_until(
        lambda: sorted(first.done() + second.done() + again.done()),
        lambda done: done == ["running..", "waits 0", "waits 1", "waits 2"],
        what="all ran, each once",
    )
    assert run_json(any_broker.url, "resume")["by"] is None


def test_a_worker_that_missed_the_broadcast_looks_for_itself(
    broker: Broker, workers: WorkerFactory
) -> None:
    """What it has prefetched goes back, and runs once; a paused worker is not stalled."""
    worker = workers(
        "worker",
        broker.url,
        environment={"WORK_QUEUE_STALL_SECONDS": "1"},
        options=("--prefetch-multiplier", "3"),
    )
    # The worker looks every five seconds: the first must not be done by then.
    for body in ("runs" + "." * 15, "waits", "waits too"):
        broker.publish(body.encode())
    # Where each process consumes, it holds what it runs, and no more.
    held = 3 if chosen_kind() is KINDS["prefork"] else 1
    wait_until(broker.unacknowledged, lambda count: count == held, what=f"{held} are delivered")
    wait_until(worker.received, what="the first runs")

    with channel_to(broker.url) as channel:
        pause.begin(channel, SETTINGS, "nobody told")
    worker.wait_for_log("Paused since .* by nobody told")
    wait_until(broker.waiting, lambda count: count == 2, what="two are back in the queue")
    wait_until(worker.done, what="the first is done")
    done_at = time.monotonic()
    wait_until(lambda: time.monotonic() > done_at + 2, what="twice the time of a stall passes")
    with channel_to(broker.url) as channel:
        pause.end(channel, SETTINGS)
    worker.wait_for_log("Resumed")
    broker.wait_empty()

    assert sorted(worker.done()) == ["runs" + "." * 15, "waits", "waits too"]
    assert "Stalled" not in worker.log()


def test_a_pause_outlives_the_broker(own_node: RabbitMQ, workers: WorkerFactory) -> None:
    """Killed and started again, the broker still has the pause, and a worker keeps to it."""
    worker = workers("worker", own_node.url())
    run(own_node.url(), "pause", "--by", "grace")
    worker.wait_for_log("Paused")
    own_node.wait_registered("task_queue", "task_queue.paused")

    own_node.kill()
    worker.wait_for_log("Connection to broker lost")
    own_node.start()
    broker = Broker(own_node.url(), "/", own_node.management)
    wait_until(
        lambda: run_json(own_node.url(), "status")["workers"],
        lambda told: told.get("worker@localhost", {}).get("paused"),
        what="the worker is back, and paused",
        timeout_seconds=60,
    )
    broker.publish(b"after")
    resumed = run_json(own_node.url(), "resume")

    assert resumed["by"] == "grace"
    broker.wait_empty()
    wait_until(worker.done, lambda done: done == ["after"], what="the message ran")


def test_reading_the_pause_never_hides_it(any_broker: AnyBroker) -> None:
    """Many may hold one of its messages at once, and die of it: it lasts, and can be read."""
    with channel_to(any_broker.url) as channel:
        pause.begin(channel, SETTINGS, "ada")
        with channel_to(any_broker.url) as reading:
            for _ in range(3):
                assert reading.basic_get("task_queue.paused") is not None
            while_read = pause.current(channel, SETTINGS)
        after = pause.current(channel, SETTINGS)

    assert while_read is not None
    assert (while_read.by, after) == ("ada", while_read)

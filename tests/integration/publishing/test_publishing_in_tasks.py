"""Publishing around and inside of a running task: calls, results, remote control, retries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from celery import Celery

from tests.support.faults import resource_alarm
from tests.support.publishing_app import waiting
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.worker import Worker

MakeApp = Callable[..., Celery]
MakeWorker = Callable[..., Worker]


def test_a_task_publishes_and_its_result_comes_back(
    url: str, make: MakeApp, worker: MakeWorker, notes: Path
) -> None:
    """Calls inside a task, results over ``rpc://`` and remote control take the same path."""
    app = make(url, result_backend="rpc://")
    worker(app, TEST_RESULT_BACKEND="rpc://").wait_ready()

    published_in_the_task = app.send_task("publish", ("from a task",)).get(timeout=30)
    wait_until(
        lambda: notes.exists() and notes.read_text(), what="the task that a task sent has run"
    )

    assert published_in_the_task
    assert notes.read_text().startswith("from a task ")
    assert len(app.control.ping(timeout=5, limit=1)) == 1
    app.backend.result_consumer.stop()


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_retry_that_cannot_be_published_keeps_the_task(
    pool: str, node: RabbitMQ, make: MakeApp, worker: MakeWorker, notes: Path
) -> None:
    """While the broker takes no messages a retry fails; the task stays, and ends when it can."""
    app = make(node.url("/"))
    app.send_task("note_after_retries", ("kept", 1, 1))
    with resource_alarm(node, "memory"):
        running = worker(app, pool=pool, WORK_QUEUE_PUBLISH_DEADLINE_SECONDS="0.5")
        running.wait_for_log("takes no messages, being low on memory", timeout_seconds=60)
        assert not notes.exists()

    wait_until(
        lambda: notes.exists() and notes.read_text(),
        what="the retried task has run",
        timeout_seconds=60,
    )
    assert notes.read_text().startswith("kept ")
    wait_until(lambda: waiting(app) == 0, what="the queue is empty")

"""A queue that exists with other properties: one clear error, nothing changed, nothing deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.producer import run_producer
from tests.support.worker import Worker


@pytest.fixture
def classic_queue(broker: Broker) -> Broker:
    """A virtual host where a plain client has declared ``task_queue``, with one message in it."""
    with broker.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("task_queue", durable=True)
        channel.basic_publish("", "task_queue", b"kept")
    return broker


def test_the_worker_ends_with_one_line(classic_queue: Broker, tmp_path: Path) -> None:
    """The worker names queue, property, both values and both ways out, and ends with code 1."""
    with Worker("one", classic_queue.url, tmp_path) as worker:
        code = worker.wait_end()

        (told,) = [line for line in worker.log().splitlines() if "CRITICAL" in line]
    assert code == 1
    assert_both_ways_out(told)
    assert "Traceback" not in worker.log()
    assert_unchanged(classic_queue)


def test_the_producer_ends_with_one_line(classic_queue: Broker) -> None:
    """The producer says the same, and sends nothing."""
    done = run_producer(broker_url=classic_queue.url)

    assert done.returncode == 1
    assert done.stdout == ""
    assert_both_ways_out(done.stderr)
    assert "Traceback" not in done.stderr
    assert_unchanged(classic_queue)


def test_policy_takes_the_queue_as_it_is(classic_queue: Broker) -> None:
    """The way out that the error names works: under ``policy`` the same queue is used."""
    done = run_producer(
        "added", broker_url=classic_queue.url, environment={"WORK_QUEUE_OWNERSHIP": "policy"}
    )

    assert done.returncode == 0, done.stderr
    assert classic_queue.waiting() == 2


def assert_both_ways_out(told: str) -> None:
    """Check that ``told`` names the queue, the property, both values and what to do."""
    assert "'task_queue'" in told
    assert "x-queue-type = 'classic'" in told or "x-dead-letter" in told
    assert "this configuration asks for" in told
    assert "work_queue_ownership" in told
    assert "delete_queue task_queue" in told


def assert_unchanged(broker: Broker) -> None:
    """Check that the plain client's queue and its message are still there."""
    assert broker.queue()["type"] == "classic"
    assert broker.waiting() == 1

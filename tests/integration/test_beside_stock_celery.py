"""A worker among programs that are not ours: stock producers, remote control, a wrong account."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery
from kombu import Exchange, Queue

from tests.integration.conftest import AnyBroker, WorkerFactory
from tests.support.broker import Broker
from tests.support.producer import run_producer
from tests.support.waiting import wait_until
from tests.support.worker import Worker

METHODS = ("active", "active_queues", "conf", "registered", "report", "scheduled", "stats")


def test_every_question_of_inspect_is_answered(
    any_broker: AnyBroker, workers: WorkerFactory
) -> None:
    """What ``celery inspect`` and Flower ask for is JSON that the worker can answer."""
    workers("one", any_broker.url)
    with Celery(broker=any_broker.url, set_as_current=False) as app:
        inspect = app.control.inspect(timeout=20, limit=1)
        answered = [method for method in METHODS if getattr(inspect, method)()]

    assert answered == list(METHODS)


def test_delays_that_a_stock_producer_leaves_to_the_worker_block_nobody(
    broker: Broker, workers: WorkerFactory
) -> None:
    """Tasks due in an hour, from a program without the plug-in, wait beside the running ones."""
    worker = workers("one", broker.url, concurrency=2)
    with Celery(broker=broker.url, set_as_current=False) as stock:
        for number in range(5):
            stock.send_task(
                "tasks.messages.process_message",
                (f"later {number}",),
                countdown=3600,
                queue=Queue("task_queue", Exchange(""), no_declare=True),
            )
    wait_until(
        worker.log, lambda log: log.count("] received") == 5, what="the worker holds all five"
    )
    run_producer("now", broker_url=broker.url)

    wait_until(worker.done, lambda done: done == ["now"], what="the task that is due runs")


@pytest.mark.parametrize("wrong", ["password", "virtual host"])
def test_a_worker_whose_login_is_refused_says_so_in_one_line(
    broker: Broker, tmp_path: Path, wrong: str
) -> None:
    """It names the broker, masked, what was refused and what to do, and ends with code 1."""
    url = (
        broker.url.replace(":guest@", ":s3cret@")
        if wrong == "password"
        else broker.url.replace(broker.virtual_host, "nowhere")
    )
    with Worker("one", url, tmp_path) as worker:
        code = worker.wait_end()

        (told,) = [line for line in worker.log().splitlines() if "CRITICAL" in line]
    assert code == 1
    assert "refused the login" in told
    assert "set_permissions" in told
    assert "guest:**@" in told
    assert "Traceback" not in worker.log()
    assert "s3cret" not in worker.log()

"""A worker among programs that are not ours: stock producers, remote control, a wrong account."""

from __future__ import annotations

import time
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


def test_a_delay_that_a_stock_producer_leaves_to_the_worker_goes_to_the_broker(
    broker: Broker, workers: WorkerFactory
) -> None:
    """The worker holds none of them, runs what is due, and runs each other one when it is due."""
    worker = workers("one", broker.url, concurrency=1)
    send_as_stock(broker, *(f"later {number}" for number in range(5)), countdown=3600)
    due = time.monotonic() + 3
    send_as_stock(broker, "soon", countdown=3)
    run_producer("now", broker_url=broker.url)

    wait_until(worker.done, lambda done: done == ["now", "soon"], what="what is due has run")

    assert time.monotonic() >= due
    assert broker.waiting("celery_delayed_11") == 5
    wait_until(broker.unacknowledged, lambda count: count == 0, what="the worker holds none")


def test_a_delay_that_the_broker_does_not_take_holds_up_nobody_and_is_no_loss(
    broker: Broker, workers: WorkerFactory
) -> None:
    """The task waits unacknowledged beside the running ones, and runs when it is due."""
    worker = workers("one", broker.url, concurrency=1)
    with broker.connect() as connection:
        connection.channel().exchange_delete("celery_delayed_27")
    send_as_stock(broker, "later", countdown=3600)
    send_as_stock(broker, "soon", countdown=2)
    worker.wait_for_log("CRITICAL.*no exchange 'celery_delayed_27'")
    run_producer("now", broker_url=broker.url)

    wait_until(worker.done, lambda done: done == ["now", "soon"], what="what is due has run")
    wait_until(broker.unacknowledged, lambda count: count == 1, what="the worker holds the other")


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


def send_as_stock(broker: Broker, *bodies: str, countdown: float) -> None:
    """Send tasks as a program without the plug-in does, with the ETA in a header."""
    with Celery(broker=broker.url, set_as_current=False) as stock:
        for body in bodies:
            stock.send_task(
                "tasks.messages.process_message",
                (body,),
                countdown=countdown,
                queue=Queue("task_queue", Exchange(""), no_declare=True),
            )

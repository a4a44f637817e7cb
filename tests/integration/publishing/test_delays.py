"""Delayed tasks wait on the broker, not in a worker, and come when they are due."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange, Queue
from kombu.common import Broadcast
from kombu.transport.native_delayed_delivery import (
    declare_native_delayed_delivery_exchanges_and_queues,
)

from proj.errors import DelaysRefused, PublishError, Unroutable
from proj.topology import delays
from tests.support.broker import Broker
from tests.support.publishing_app import waiting
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.worker import Worker

MakeApp = Callable[..., Celery]
MakeWorker = Callable[..., Worker]

KINDS = [
    pytest.param({"work_queue_type": "quorum"}, id="quorum"),
    pytest.param({"work_queue_type": "classic"}, id="classic"),
    pytest.param({"work_queue_ownership": "policy"}, id="policy"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("option", "least_seconds"),
    [
        ({"countdown": 1}, 1.0),
        ({"countdown": 0.2}, 0.2),
        ({"countdown": 2.5}, 2.5),
        ({"eta": 1.5}, 1.5),
    ],
    ids=str,
)
def test_a_delayed_task_comes_when_it_is_due(
    option: dict[str, float], least_seconds: float, kind: dict[str, Any], url: str, make: MakeApp
) -> None:
    """It is not in the queue before, on no kind of queue, and at most a second later than asked."""
    app = make(url, **kind)
    options: dict[str, Any] = dict(option)
    if "eta" in option:
        options["eta"] = datetime.now(timezone.utc) + timedelta(seconds=option["eta"])
    began = time.monotonic()
    app.send_task("echo", **options)
    assert waiting(app) == 0

    wait_until(lambda: waiting(app), what="the delayed task has come", interval_seconds=0.01)

    assert time.monotonic() - began >= least_seconds


@pytest.mark.parametrize("countdown", [0, -5])
def test_a_task_that_is_due_is_not_delayed(countdown: float, app: Celery) -> None:
    """An ETA in the past means now: the queue holds the task when the call returns."""
    app.send_task("echo", countdown=countdown)

    assert waiting(app) == 1


def test_a_message_that_was_delayed_tells_the_worker_to_start_at_once(app: Celery) -> None:
    """No ETA is left in it: a worker whose clock is behind does not hold it a second time."""
    app.send_task("echo", countdown=1, expires=60)
    wait_until(lambda: waiting(app), what="the delayed task has come")
    with app.connection() as connection:
        message = connection.default_channel.basic_get(app.amqp.default_queue.name, no_ack=True)

    assert message.headers["eta"] is None
    assert message.headers["x-eta"] is not None
    assert message.headers["expires"] is not None


def test_tasks_with_dots_in_their_queues_name_come_to_that_queue_only(
    url: str, make: MakeApp
) -> None:
    """``b`` does not get the delayed tasks of ``a.b``, whose name ends like its own."""
    ending = make(url)
    name = ending.amqp.default_queue.name
    dotted = make(url, work_queue_name=f"a.{name}")
    ending.send_task("echo", countdown=1, task_id="ending")
    dotted.send_task("echo", countdown=1, task_id="dotted")

    wait_until(lambda: waiting(ending) + waiting(dotted), lambda count: count >= 2, what="both")

    assert (waiting(ending), waiting(dotted)) == (1, 1)


def test_a_queue_of_the_teams_own_gets_its_delayed_tasks(url: str, make: MakeApp) -> None:
    """Any queue that the app knows, whatever exchange it hangs on."""
    name = f"reports-{time.time_ns()}"
    exchange = Exchange(name, type="topic", auto_delete=True)
    queue = Queue(name, exchange, "report.#", expires=60)
    app = make(url)
    app.send_task("echo", queue=queue, routing_key="report.daily")
    app.send_task("echo", queue=queue, countdown=1)

    wait_until(lambda: waiting(app, name), lambda count: count == 2, what="the delayed task")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"exchange": "amq.topic", "routing_key": "x"}, "send it by queue="),
        ({"queue": Broadcast("everybody")}, "send it by queue="),
        ({"countdown": 2**28}, "268435455 s"),
        ({"queue": Queue("a.#", Exchange(""), "a.#")}, "'#'"),
    ],
    ids=["exchange", "broadcast", "too long", "wildcard"],
)
def test_a_delay_that_the_broker_cannot_keep_is_an_error(
    options: dict[str, Any], reason: str, app: Celery
) -> None:
    """It is refused at the call, with the reason; nothing is sent undelayed."""
    with pytest.raises(Unroutable, match=reason) as raised:
        app.send_task("echo", task_id="the-id", **{"countdown": 5, **options})

    assert raised.value.task_id == "the-id"


def test_a_delayed_task_is_mandatory_too(broker: Broker, make: MakeApp) -> None:
    """Where the delays were deleted behind a warm producer it raises, and a worker repairs them."""
    app = make(broker.url)
    app.send_task("echo", countdown=600)
    with app.connection() as connection:
        connection.default_channel.queue_delete("celery_delayed_9")
        with pytest.raises(Unroutable) as raised:
            app.send_task("echo", countdown=600, task_id="the-id")
        delays.declare(connection, app.amqp.default_queue.settings)

    app.send_task("echo", countdown=600)

    assert raised.value.task_id == "the-id"
    assert waiting(app, "celery_delayed_9") == 1


def test_delays_that_another_app_has_declared_are_used_as_they_are(
    broker: Broker, make: MakeApp
) -> None:
    """Classic queues of a stock Celery worker are adopted, and never declared anew."""
    app = make(broker.url)
    with app.connection() as connection:
        declare_native_delayed_delivery_exchanges_and_queues(connection, "classic")
        app.amqp.default_queue(connection.default_channel).declare()
        delays.declare(connection, app.amqp.default_queue.settings)
    app.send_task("echo", countdown=1)

    wait_until(lambda: waiting(app), what="the delayed task has come")


def test_delays_that_cannot_be_set_up_are_an_error_at_publish_and_at_start(
    broker: Broker, node: RabbitMQ, make: MakeApp
) -> None:
    """An account that may not declare what delays need learns it at once, by our error."""
    vhost = broker.virtual_host
    queue = make(broker.url).amqp.default_queue.name
    node.control("add_user", vhost, "secret")
    node.control("set_permissions", "-p", vhost, vhost, f"{queue}.*", ".*", ".*")
    url = broker.url.replace("guest:guest", f"{vhost}:secret")
    app = make(url, work_queue_name=queue)
    app.send_task("echo")

    with pytest.raises(PublishError, match=r"access .* refused") as raised:
        app.send_task("echo", countdown=5, task_id="the-id")

    assert raised.value.task_id == "the-id"
    assert "secret" not in str(raised.value)
    settings = app.amqp.default_queue.settings
    with app.connection() as connection, pytest.raises(DelaysRefused, match="set_permissions"):
        delays.declare(connection, settings)


def test_a_delayed_task_outlives_a_restart_of_the_broker(node: RabbitMQ, make: MakeApp) -> None:
    """It waits on disk, and comes when it is due, or as the broker is back."""
    app = make(node.url("/"))
    app.send_task("echo", countdown=6)
    node.control("stop_app")
    node.control("start_app")

    wait_until(lambda: waiting(app), what="the delayed task has come", timeout_seconds=60)


@pytest.mark.parametrize("kind", KINDS)
def test_a_retried_task_leaves_the_worker_and_comes_back(
    kind: dict[str, str], url: str, make: MakeApp, worker: MakeWorker, notes: Path
) -> None:
    """Retry after retry, by another worker once the first is lost."""
    app = make(url, **kind)
    environment = {key.upper(): value for key, value in kind.items()}
    app.send_task("note_after_retries", ("back", 3, 1))
    first = worker(app, **environment)
    first.wait_for_log("retry: Retry in 1s")
    first.kill()
    worker(app, **environment)

    wait_until(lambda: notes.exists() and notes.read_text(), what="the retried task has run")

    assert notes.read_text().startswith("back ")


@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_tasks_due_in_an_hour_do_not_hold_up_a_worker_of_one_process(
    kind: dict[str, str],
    broker: Broker,
    make: MakeApp,
    worker: MakeWorker,
    notes: Path,
) -> None:
    """The worker is not given one of them, and the next task runs at once."""
    app = make(broker.url, **kind)
    for _ in range(2000):
        app.send_task("echo", countdown=3600)
    assert waiting(app, "celery_delayed_11") == 2000
    running = worker(app, **{key.upper(): value for key, value in kind.items()}).wait_ready()

    sent = time.time()
    app.send_task("note", ("next",))
    wait_until(lambda: notes.exists() and notes.read_text(), what="the next task has run")

    value, ran = notes.read_text().split()
    assert value == "next"
    assert float(ran) - sent < 5
    assert running.log().count(" received") == 1
    assert waiting(app, "celery_delayed_11") == 2000

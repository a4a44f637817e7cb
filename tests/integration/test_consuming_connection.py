"""Connections that are lost, consumers that are cancelled: the worker lives, and consumes again."""

from __future__ import annotations

import os
import signal
from urllib.parse import urlsplit

import pytest
from pika.exceptions import ChannelClosedByBroker

from tests.support.consuming_proxy import ConsumingProxy
from tests.support.proxy import Proxy
from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until
from tests.support.worker_kinds import KINDS

NOT_FOUND = 404

pytest_plugins = ["tests.support.settlement_fixtures"]


def test_a_connection_lost_in_mid_task_costs_one_more_run_and_nothing_else(scene: Scene) -> None:
    """The task ends; the broker delivers it again, because nobody could acknowledge it."""
    with Proxy(port_of(scene.url)) as proxy:
        worker = scene.worker(concurrency=1, url=through(proxy, scene.url))
        scene.send("sleep", "running", 2)
        scene.wait_begun("running")

        proxy.cut()
        worker.wait_for_log("Connection to broker lost")
        scene.wait_begun("running-ended")
        scene.send("note", "after")

        scene.wait_begun("after")
        scene.wait_begun("running-ended", 2)
        assert scene.begun()["running"] == 2
        scene.wait_empty()
        assert not scene.broker.take_letters()
        assert "Unrecoverable" not in worker.log()


@pytest.mark.parametrize("scene", ["classic"], indirect=True)
def test_a_connection_lost_while_the_worker_starts_is_replaced_at_once(scene: Scene) -> None:
    """Kombu alone replaces it unseen by the event loop, which then reads no delivery, for ever."""
    lossy = "tests.support.lossy_consumer:LossyConsumer"
    # Other kinds of worker have a consumer of their own.
    worker = scene.worker(environment={"TEST_CONSUMER": lossy}, kind=KINDS["prefork"])
    assert "a test has dropped the connection" in worker.log()
    scene.send("note", "read")

    scene.wait_begun("read", timeout_seconds=15)
    assert worker.log().count("Connected to") == 2
    assert "Stalled" not in worker.log()


def test_a_process_lost_after_the_connection_makes_no_second_message(scene: Scene) -> None:
    """The broker has the message again already: a copy beside it would be one too many."""
    with Proxy(port_of(scene.url)) as proxy:
        worker = scene.worker(concurrency=1, url=through(proxy, scene.url))
        scene.send("sleep", "running", 60)
        scene.wait_begun("running")
        proxy.refuse()
        worker.wait_for_log("Connection to broker lost")
        os.kill(worker.pool_pids()[0], signal.SIGKILL)
        proxy.listen_again()
        scene.wait_begun("running", 2)

        assert scene.broker.waiting() == 0
        worker.kill()
        wait_until(scene.broker.waiting, lambda count: count == 1, what="one message, not two")


def test_a_worker_waits_for_its_broker_for_as_long_as_it_takes(scene: Scene) -> None:
    """The broker is away for longer than a first try: the worker tries again and again."""
    with Proxy(port_of(scene.url)) as proxy:
        worker = scene.worker(concurrency=1, url=through(proxy, scene.url))
        proxy.refuse()
        scene.send("note", "meanwhile")
        wait_until(
            lambda: worker.log().count("Cannot connect to"),
            lambda tries: tries >= 3,
            what="three tries in vain",
        )
        proxy.listen_again()

        scene.wait_begun("meanwhile")


def test_a_worker_stops_in_time_while_its_broker_is_away(scene: Scene) -> None:
    """Nobody takes messages back then, and nobody needs to: the broker has them."""
    with Proxy(port_of(scene.url)) as proxy:
        environment = {"WORK_QUEUE_STOP_GRACE_SECONDS": "1"}
        worker = scene.worker(concurrency=1, url=through(proxy, scene.url), environment=environment)
        scene.send("sleep", "long", 60)
        scene.wait_begun("long")
        proxy.refuse()
        worker.wait_for_log("Cannot connect to")

        worker.signal(signal.SIGTERM)

        assert worker.wait_end(20) == 0
        assert scene.broker.waiting() == 1


def test_a_second_worker_of_the_same_name_works_and_says_so(scene: Scene) -> None:
    """405 RESOURCE_LOCKED ends a stock worker; ours takes a mailbox of its own, and consumes."""
    scene.worker("twin", concurrency=1)
    second = scene.worker("twin", concurrency=1, ready=False, log_name="second")
    second.wait_for_log("Another worker is named twin@")
    second.wait_ready(60)

    for name in ("one", "other"):
        scene.send("sleep", name, 20)
    for name in ("one", "other"):
        scene.wait_begun(name)
    second.wait_for_log("received")


def test_a_queue_deleted_under_a_worker_is_declared_and_consumed_again(scene: Scene) -> None:
    """The broker cancels the consumer; the running task is not disturbed."""
    worker = scene.worker(concurrency=2)
    scene.send("sleep", "running", 3)
    scene.wait_begun("running")

    scene.broker.channel.queue_delete(scene.queue)
    worker.wait_for_log("has cancelled the consumer")

    wait_until(lambda: exists(scene), what="the queue is there again")
    scene.send("note", "after")
    scene.wait_begun("after")
    scene.wait_begun("running-ended")


def test_a_worker_that_is_given_nothing_although_messages_wait_connects_again(
    scene: Scene,
) -> None:
    """Alive but not consuming is the worst failure of all: the worker notices it by itself."""
    with ConsumingProxy(port_of(scene.url), scene.queue) as proxy:
        worker = scene.worker(
            concurrency=1,
            url=through(proxy, scene.url),
            environment={"WORK_QUEUE_STALL_SECONDS": "3"},
        )
        assert proxy.cancel_consumers()
        scene.send("note", "waiting")

        worker.wait_for_log(r"ERROR.*Stalled: 1 message")
        scene.wait_begun("waiting")


def test_an_idle_worker_does_not_reconnect(scene: Scene) -> None:
    """No message, no stall; and a busy worker has no idle process."""
    worker = scene.worker(concurrency=1, environment={"WORK_QUEUE_STALL_SECONDS": "1"})
    scene.send("sleep", "busy", 5)
    scene.send("note", "waits-for-the-process")
    scene.wait_begun("waits-for-the-process")

    assert "Stalled" not in worker.log()


@pytest.mark.needs_rabbitmq_4_3
@pytest.mark.parametrize("scene", ["quorum"], indirect=True)
def test_a_task_longer_than_the_consumer_timeout_keeps_connection_and_neighbours(
    scene: Scene,
) -> None:
    """RabbitMQ 4.3 cancels the consumer: consumed again; the late acknowledgement is harmless."""
    assert scene.broker.version() >= (4, 3), "no earlier broker cancels a slow consumer"
    worker = scene.worker(
        concurrency=2, environment={"TEST_CONSUMER_TIMEOUT_MILLISECONDS": "10000"}
    )
    scene.send("sleep", "too-long", 16)
    scene.wait_begun("too-long")
    worker.wait_for_log("has cancelled the consumer", timeout_seconds=30)
    for number in range(5):
        scene.send("note", f"neighbour-{number}")

    for number in range(5):
        scene.wait_begun(f"neighbour-{number}")
    scene.wait_begun("too-long-ended")
    scene.send("note", "after-the-late-acknowledgement")
    scene.wait_begun("after-the-late-acknowledgement")
    assert worker.log().count("Connected to") == 1
    assert "no callbacks" not in worker.log()


def test_a_queue_whose_type_nobody_told_is_consumed_from(scene: Scene) -> None:
    """Owned by a policy, a queue may be of any type: what it refuses is not asked for again."""
    for queue in (scene.queue, scene.broker.letters_queue):
        scene.broker.channel.queue_delete(queue)
    worker = scene.worker(environment={"WORK_QUEUE_OWNERSHIP": "policy"})

    scene.send("note", "whatever")

    scene.wait_begun("whatever")
    assert worker.log().count("Connection to broker lost") <= 1


def port_of(url: str) -> int:
    """Return the broker's port."""
    return urlsplit(url).port or 5672


def through(proxy: Proxy, url: str) -> str:
    """Return ``url`` with the proxy in the broker's place."""
    return url.replace(f":{port_of(url)}/", f":{proxy.port}/")


def exists(scene: Scene) -> bool:
    """Return whether the work queue is on the broker."""
    with type(scene.broker)(scene.url, scene.queue) as broker:
        try:
            broker.waiting()
        except ChannelClosedByBroker as error:
            return bool(error.reply_code != NOT_FOUND)
    return True

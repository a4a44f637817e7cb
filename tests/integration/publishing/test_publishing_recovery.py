"""The first message after a broken connection is published too; from threads, forks and tasks."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest
from celery import Celery
from pika import BlockingConnection, URLParameters
from pika.exceptions import AMQPConnectionError

from proj.errors import PublishError
from tests.support.proxy import Proxy
from tests.support.publishing_app import waiting
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.worker import ROOT

MakeApp = Callable[..., Celery]

FORKING = """
import os, sys
from tests.support.publishing_app import make_app

app = make_app(sys.argv[1], work_queue_name=sys.argv[2])
def socket_in_use():
    with app.producer_or_acquire() as producer:
        return producer.connection.connection.sock.getsockname()

app.send_task("echo")
used = socket_in_use()
child = os.fork()
app.send_task("echo")
app.send_task("echo")
assert (socket_in_use() == used) == bool(child), "child and parent use one socket"
if child:
    assert os.waitpid(child, 0)[1] == 0, "the child failed"
    app.send_task("echo")
    assert socket_in_use() == used, "the parent's connection was closed by the child"
"""


def test_the_first_message_after_a_broker_restart(node: RabbitMQ, make: MakeApp) -> None:
    """A pooled connection of before the restart is no error, and no message is lost."""
    app = make(node.url("/"))
    app.send_task("echo")
    node.control("stop_app")
    with pytest.raises(AMQPConnectionError):
        BlockingConnection(URLParameters(node.url("/")))
    node.control("start_app")

    app.send_task("echo")

    assert waiting(app) == 2


def test_a_message_that_is_sent_while_the_broker_restarts(node: RabbitMQ, make: MakeApp) -> None:
    """The publish waits for the broker to come back, as long as its deadline lasts."""
    app = make(node.url("/"))
    app.send_task("echo")
    node.control("stop_app")
    restart = Thread(target=node.control, args=("start_app",))
    restart.start()
    try:
        app.send_task("echo", publish_deadline_seconds=60)
    finally:
        restart.join()

    assert waiting(app) == 2


def test_the_first_message_after_the_broker_closed_the_connections(
    node: RabbitMQ, make: MakeApp
) -> None:
    """A connection that the broker has closed with a farewell is replaced."""
    app = make(node.url("/"))
    app.send_task("echo")
    before = pooled_socket(app)
    node.control("close_all_connections", "maintenance")

    app.send_task("echo")

    assert pooled_socket(app) != before, "the connection was not closed"
    assert waiting(app) == 2


def test_the_first_message_after_an_idle_connection_was_cut(url: str, make: MakeApp) -> None:
    """A connection that ended without a word, as a balancer ends what is idle, is replaced."""
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url))
        app.send_task("echo")
        proxy.cut()

        app.send_task("echo")

        assert proxy.connections == 2, "the connection was not cut"
        assert waiting(app) == 2


@pytest.mark.parametrize("once", [{"retry": False}, {"retry_policy": {"max_retries": 0}}])
def test_whoever_wants_no_second_try_gets_none(
    url: str, make: MakeApp, once: dict[str, object]
) -> None:
    """Both ways in which Celery says it: the broken connection is an error of the call."""
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url))
        app.send_task("echo")
        proxy.cut()

        with pytest.raises(PublishError):
            app.send_task("echo", **once)

        assert waiting(app) == 1


def test_a_connection_that_ends_before_the_confirm_repeats_the_message(
    url: str, make: MakeApp
) -> None:
    """At least once: the message is published again, and the call returns."""
    with Proxy(URLParameters(url).port) as proxy, ThreadPoolExecutor() as threads:
        app = make(proxy.url(url))
        app.send_task("echo", task_id="warm")
        proxy.hold_answers()
        sending = threads.submit(app.send_task, "echo", task_id="the-id")
        wait_until(lambda: proxy.held_bytes, what="the confirm is held")
        proxy.cut()
        proxy.resume()
        sending.result()

        with app.connection() as connection:
            channel, queue = connection.default_channel, app.amqp.default_queue.name
            held = [channel.basic_get(queue, no_ack=True) for _ in range(waiting(app))]
    assert Counter(message.headers["id"] for message in held) == {"warm": 1, "the-id": 2}


def test_eight_threads_of_one_app(url: str, make: MakeApp) -> None:
    """Each message is there once, though the threads share three connections."""
    app = make(url, broker_pool_limit=3)
    start = Event()

    def send(thread: int) -> None:
        start.wait()
        for number in range(25):
            app.send_task("echo", task_id=f"{thread}-{number}")

    with ThreadPoolExecutor(8) as threads:
        sending = [threads.submit(send, thread) for thread in range(8)]
        start.set()
        for each in sending:
            each.result()

    assert waiting(app) == 200


def test_a_process_that_forks(url: str, app: Celery) -> None:
    """Import, publish, fork, publish in both: neither disturbs the other's connection."""
    queue = app.amqp.default_queue.name
    done = subprocess.run(
        [sys.executable, "-c", FORKING, url, queue],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert waiting(app) == 6


def pooled_socket(app: Celery) -> tuple[str, int]:
    """Return the client's address of the connection that the next message is published on."""
    with app.producer_or_acquire() as producer:
        address: tuple[str, int] = producer.connection.connection.sock.getsockname()
    return address

"""A publish gives control back by its deadline, whatever broker, network or pool do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from celery import Celery
from pika import URLParameters

from proj.errors import BrokerUnavailable, OutcomeUnknown, PublishError
from proj.publishing.plain import publish_plain
from tests.support.faults import resource_alarm, stopped
from tests.support.ports import free_ports
from tests.support.proxy import Proxy
from tests.support.publishing_app import waiting
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

DEADLINE_SECONDS = 1.0
GRACE_SECONDS = 1.0

MakeApp = Callable[..., Celery]


@contextmanager
def in_time(expected: type[PublishError] | tuple[type[PublishError], ...]) -> Iterator[Any]:
    """Expect an error of the block, and control back within the deadline plus a second."""
    began = time.monotonic()
    with pytest.raises(expected) as raised:
        yield raised
    assert time.monotonic() - began < DEADLINE_SECONDS + GRACE_SECONDS
    assert raised.value.task_id == "the-id"


def send(app: Celery) -> None:
    """Send a task whose id is known, with the deadline of these tests."""
    app.tasks["echo"].apply_async(task_id="the-id", publish_deadline_seconds=DEADLINE_SECONDS)


@pytest.mark.parametrize("warm", [True, False], ids=["warm connection", "new connection"])
@pytest.mark.parametrize("alarm", ["memory", "disk"])
def test_a_broker_with_an_alarm(alarm: str, warm: bool, node: RabbitMQ, make: MakeApp) -> None:  # noqa: FBT001 - a parameter
    """A blocked publish ends at its deadline and says why; the next one is not even sent."""
    app = make(node.url("/"))
    send(app)
    app = app if warm else make(node.url("/"), work_queue_name=app.conf.work_queue_name)
    with resource_alarm(node, alarm):
        with in_time(OutcomeUnknown) as sent:
            send(app)
        with in_time(BrokerUnavailable) as not_sent:
            send(app)

    low_on = {"memory": "low on memory", "disk": "low on disk"}[alarm]
    assert low_on in str(sent.value)
    assert low_on in str(not_sent.value)
    app.send_task("echo")
    # What was sent during the alarm comes too: that is why its outcome was unknown.
    wait_until(lambda: waiting(app), lambda count: count == 3, what="two tasks and the unknown one")


@pytest.mark.parametrize("warm", [True, False], ids=["warm connection", "new connection"])
def test_a_broker_that_is_stopped(warm: bool, node: RabbitMQ, make: MakeApp) -> None:  # noqa: FBT001 - a parameter
    """A broker whose processes stand still takes the bytes and answers nothing."""
    app = make(node.url("/"))
    if warm:
        send(app)
    with stopped(node), in_time(OutcomeUnknown if warm else BrokerUnavailable):
        send(app)


def test_a_large_message_to_a_broker_that_does_not_read(node: RabbitMQ, make: MakeApp) -> None:
    """Writing ends at the deadline too, once the buffers of the network are full."""
    app = make(node.url("/"))
    send(app)
    with stopped(node), in_time(BrokerUnavailable):
        app.send_task("echo", ("x" * 16_000_000,), task_id="the-id", publish_deadline_seconds=1.0)


def test_a_connection_that_is_black_holed_before_the_confirm(url: str, make: MakeApp) -> None:
    """The message may have arrived, and only the confirm be lost: the outcome is unknown."""
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url))
        send(app)
        proxy.hold()
        with in_time(OutcomeUnknown):
            send(app)
        assert proxy.held_bytes, "nothing was held"


def test_a_confirm_that_trickles(url: str, make: MakeApp) -> None:
    """Bytes that come, but too slowly to be a confirm, do not extend the deadline."""
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url))
        send(app)
        proxy.answer_bytes_per_second = 2
        with in_time(OutcomeUnknown):
            send(app)
        assert 0 < proxy.trickled_bytes < 21, "the confirm has 21 bytes"


@pytest.mark.parametrize("at_limit", ["hold", "cut"])
@pytest.mark.parametrize("answers_limit", [1, 8, 400, 530, 560])
def test_a_handshake_that_breaks(
    answers_limit: int, at_limit: str, url: str, make: MakeApp
) -> None:
    """Black-holed or cut after any number of the broker's bytes: its greeting, tuning, opening."""
    with Proxy(URLParameters(url).port, answers_limit=answers_limit, at_limit=at_limit) as proxy:
        app = make(proxy.url(url))
        with in_time(PublishError):
            send(app)
        assert proxy.limits_reached, "the broker's answers were not limited"


def test_a_host_that_does_not_answer(make: MakeApp) -> None:
    """The connection is not even taken: the host drops what comes, as behind a firewall."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # The listener's queue is full after a few, and the kernel drops what more arrives.
        for _ in range(5):
            waiting_client = stack.enter_context(socket.socket())
            waiting_client.settimeout(0)
            waiting_client.connect_ex(listener.getsockname())
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), timeout=0.2)

        app = make(f"amqp://guest:guest@127.0.0.1:{listener.getsockname()[1]}//")
        with in_time(BrokerUnavailable):
            send(app)


def test_a_broker_that_is_down(make: MakeApp) -> None:
    """Nobody listens: asked again until the deadline, then an error that names the broker."""
    (port,) = free_ports(1)
    app = make(f"amqp://guest:secret@127.0.0.1:{port}//")
    with in_time(BrokerUnavailable) as raised:
        send(app)

    assert "Connection refused" in str(raised.value)
    assert f"amqp://guest:**@127.0.0.1:{port}//" in str(raised.value)
    assert "secret" not in repr(raised.value.__cause__) + str(raised.value)


def test_a_name_server_that_does_not_answer(
    url: str, make: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``getaddrinfo`` cannot be interrupted, and is left behind."""
    entered, answer = threading.Event(), threading.Event()
    look_up = socket.getaddrinfo

    def hanging(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "broker.example" and not options.get("flags"):
            entered.set()
            answer.wait()
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    app = make(url.replace("127.0.0.1", "broker.example"))
    try:
        with in_time(BrokerUnavailable) as raised:
            send(app)
        assert entered.is_set(), "the name was not looked up"
        assert "broker.example" in str(raised.value)
    finally:
        answer.set()


def test_a_pool_whose_connections_are_all_in_use(url: str, make: MakeApp) -> None:
    """Waiting for a pooled connection counts too."""
    app = make(url, broker_pool_limit=1)
    with app.producer_or_acquire(), in_time(BrokerUnavailable) as raised:
        send(app)

    assert "broker_pool_limit" in str(raised.value)
    send(app)


def test_the_deadline_of_the_configuration(url: str, make: MakeApp) -> None:
    """``work_queue_publish_deadline_seconds`` holds where a call names none."""
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url), work_queue_publish_deadline_seconds=DEADLINE_SECONDS)
        app.send_task("echo")
        proxy.hold()
        with in_time(OutcomeUnknown):
            app.send_task("echo", task_id="the-id")
        began = time.monotonic()
        with pytest.raises(PublishError):
            publish_plain(app, "Message 0")
        assert time.monotonic() - began < DEADLINE_SECONDS + GRACE_SECONDS


def test_the_deadline_is_no_property_of_the_message(app: Celery) -> None:
    """The option is for the call: it does not travel, and a value that cannot be is refused."""
    app.send_task("echo", publish_deadline_seconds=5)
    with app.connection() as connection:
        message = connection.default_channel.basic_get(app.amqp.default_queue.name, no_ack=True)

    assert "publish_deadline_seconds" not in {*message.properties, *message.headers}
    assert b"publish_deadline" not in message.body.encode()
    with pytest.raises(ValueError, match="publish_deadline_seconds"):
        app.send_task("echo", publish_deadline_seconds=0)


def test_publishing_again_with_the_same_task_id_after_an_unknown_outcome(
    url: str, make: MakeApp
) -> None:
    """The unknown message and its repetition are one task, held at least once."""
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url))
        app.send_task("echo")
        proxy.hold()
        with in_time(OutcomeUnknown) as raised:
            send(app)
        proxy.resume()

        app.send_task("echo", task_id=raised.value.task_id)

        with app.connection() as connection:
            channel, queue = connection.default_channel, app.amqp.default_queue.name
            held = [channel.basic_get(queue, no_ack=True) for _ in range(waiting(app))]
    assert 1 <= [message.headers["id"] for message in held].count("the-id") <= 2

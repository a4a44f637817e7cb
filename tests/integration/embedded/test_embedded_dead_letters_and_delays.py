"""Dead letters, limits, delays and batches of the embedded broker."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import ChannelError, MessageNacked, PreconditionFailed
from kombu import Connection, Producer
from kombu.asynchronous.hub import Hub

from proj.embedded import session, wake_up
from tests.integration.embedded.exchanging import bodies, publish, size


def test_a_rejected_message_reaches_the_dead_letter_queue_with_its_story(channel: Any) -> None:
    """The headers tell reason, queue, exchange and count, as RabbitMQ's do."""
    channel.queue_declare("dead")
    channel.queue_declare(
        "q", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    )
    publish(channel, "a", headers={"mine": 1}, expiration=60)
    channel.basic_get("q").reject()

    message = channel.basic_get("dead")
    death = message.headers["x-death"][0]
    assert message.payload == "a"
    assert message.headers["mine"] == 1
    assert "expiration" not in message.properties
    assert message.headers["x-first-death-reason"] == "rejected"
    assert message.headers["x-first-death-queue"] == "q"
    assert message.headers["x-first-death-exchange"] == ""
    assert (death["count"], death["reason"], death["queue"]) == (1, "rejected", "q")
    assert death["routing-keys"] == ["q"]
    assert isinstance(death["time"], dt.datetime)


def test_a_dead_letter_that_no_queue_takes_stays(channel: Any) -> None:
    """Rejected with nowhere to go, a message waits in its queue for the missing one."""
    channel.queue_declare("q", arguments={"x-dead-letter-exchange": "missing"})
    publish(channel, "a")
    channel.basic_get("q").reject()

    assert (size(channel), channel.delayed_count("q")) == (0, 1)


def test_expired_messages_are_dead_lettered_when_due(channel: Any, until: Any) -> None:
    """The shorter of the message's expiration and the queue's x-message-ttl counts."""
    channel.queue_declare("dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("q", arguments={**arguments, "x-message-ttl": 60_000})
    channel.queue_declare("short", arguments={**arguments, "x-message-ttl": 50})
    publish(channel, "by message", expiration=0.05)
    publish(channel, "by queue", "short")
    publish(channel, "stays")

    until(lambda: size(channel, "dead") == 2, state=lambda: size(channel, "dead"))
    message = channel.basic_get("dead")
    assert message.headers["x-death"][0]["reason"] == "expired"
    assert message.headers["x-death"][0]["original-expiration"] == "50"
    assert bodies(channel) == ["stays"]


def test_a_full_queue_drops_its_head_or_refuses(channel: Any) -> None:
    """x-max-length pushes the oldest out, or with reject-publish makes the publisher raise."""
    channel.queue_declare("q", arguments={"x-max-length": 2})
    channel.queue_declare("r", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    for number in range(3):
        publish(channel, number)
    publish(channel, "first", "r")
    with pytest.raises(MessageNacked, match="'r' is full"):
        publish(channel, "second", "r")

    assert bodies(channel) == [1, 2]
    assert bodies(channel, "r") == ["first"]


@pytest.mark.parametrize("how", ["x-delay", "eta"])
def test_a_delayed_message_is_seen_when_due_and_counted_apart(
    connect: Any, until: Any, how: str
) -> None:
    """Both headers delay; the size counts what is ready; a restart forgets nothing."""
    first = connect()
    channel = first.channel()
    channel.queue_declare("q", durable=True, auto_delete=False)
    due = time.time() + 0.4
    eta = dt.datetime.fromtimestamp(due, tz=dt.timezone.utc).isoformat()
    publish(channel, "late", headers={"x-delay": 400} if how == "x-delay" else {"eta": eta})
    publish(channel, "now")
    assert (size(channel), channel.delayed_count("q")) == (1, 1)
    first.release()

    channel = connect().channel()
    assert bodies(channel) == ["now"]
    until(lambda: size(channel) == 1)
    assert time.time() >= due - 0.002
    assert channel.delayed_count("q") == 0
    message = channel.basic_get("q")
    assert message.payload == "late"
    assert message.headers.get("x-delay", -400) == -400


def test_a_waiting_consumer_gets_a_delayed_message_on_time(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocked in drain_events, a consumer wakes when the message is due, not at its next look."""
    monkeypatch.setattr(session, "LOOK_SECONDS", 600)
    connection, publisher = connect(), connect()
    channel = connection.channel()
    channel.queue_declare("q")
    got: list[float] = []
    channel.basic_consume("q", callback=lambda _message: got.append(time.time()))
    due = time.time() + 0.3
    publish(publisher.channel(), "late", headers={"x-delay": 300})
    connection.drain_events(timeout=60)

    assert due - 0.002 <= got[0]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Make an event loop as Celery's worker has one."""
    made = Hub()
    yield made
    made.close()


@pytest.mark.parametrize("served", ["blocking", "event loop"])
def test_a_busy_consumer_rests_while_a_delayed_message_is_due(
    connect: Any, hub: Hub, until: Any, served: str
) -> None:
    """At its prefetch limit a consumer does not spin on what it may not take; then it takes it."""
    connection, publisher = connect(), connect().channel()
    channel = connection.channel()
    channel.queue_declare("q")
    got: list[Any] = []
    channel.basic_qos(0, 1, False)  # noqa: FBT003  as Kombu calls it
    channel.basic_consume("q", callback=got.append)
    if served == "event loop":
        connection.transport.register_with_event_loop(connection.connection, hub)

    def run(seconds: float) -> float:
        began, end = time.process_time(), time.monotonic() + seconds
        while time.monotonic() < end:
            if served == "event loop":
                hub.run_once()
            else:
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.2)
        return time.process_time() - began

    publish(publisher, "now")
    publish(publisher, "late", headers={"x-delay": 100})
    assert run(1.2) < 0.3
    assert [message.payload for message in got] == ["now"]
    got[0].ack()
    until(lambda: run(0.1) and len(got) > 1)
    assert [message.payload for message in got] == ["now", "late"]
    connection.release()


@pytest.mark.parametrize("served", ["blocking", "event loop"])
def test_a_path_too_long_for_a_socket_only_delays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub, served: str
) -> None:
    """Without /proc, a deep folder leaves a consumer to its own look, twice a second."""
    monkeypatch.setattr(wake_up, "DESCRIPTORS", tmp_path / "no-proc")
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    url = f"sqlite:///{folder}/task_queue.db"
    with Connection(url) as connection, Connection(url) as publisher:
        channel = connection.channel()
        channel.queue_declare("q")
        got: list[Any] = []
        channel.basic_consume("q", no_ack=True, callback=got.append)
        if served == "event loop":
            connection.transport.register_with_event_loop(connection.connection, hub)
        publish(publisher.channel(), "x")
        until = time.monotonic() + 60
        while not got and time.monotonic() < until:
            hub.run_once() if served == "event loop" else connection.drain_events(timeout=2)
    assert [message.payload for message in got] == ["x"]


@pytest.mark.skipif(not hasattr(Producer, "batch"), reason="Kombu 5.7 brings Producer.batch")
def test_a_batch_is_published_whole_or_not_at_all(channel: Any) -> None:
    """Kombu's Producer.batch commits once; one unroutable mandatory message undoes its batch."""
    channel.queue_declare("q")
    producer = Producer(channel)
    with producer.batch(max_size=1000):
        for number in range(100):
            producer.publish(number, routing_key="q")
        assert size(channel) == 0
    assert size(channel) == 100
    with pytest.raises(ChannelError), producer.batch():  # noqa: PT012  the exit raises
        producer.publish("x", routing_key="q")
        producer.publish("x", routing_key="nowhere", mandatory=True)
    assert size(channel) == 100
    assert channel.queue_purge("q") == 100


def test_a_settled_message_cannot_be_settled_again(channel: Any) -> None:
    """An unknown delivery tag is refused as RabbitMQ refuses it."""
    channel.queue_declare("q")
    publish(channel, "a")
    tag = channel.basic_get("q").delivery_tag
    channel.basic_ack(tag)
    with pytest.raises(PreconditionFailed, match="unknown delivery tag"):
        channel.basic_ack(tag)


def test_a_simple_queue_puts_and_gets(connect: Any) -> None:
    """Kombu's SimpleQueue and SimpleBuffer work."""
    connection: Connection = connect()
    for kind in (connection.SimpleQueue, connection.SimpleBuffer):
        with kind(f"simple.{kind.__name__}") as queue:
            queue.put({"a": 1})
            queue.put({"a": 2})
            first, second = queue.get(timeout=5), queue.get(timeout=5)
            assert (first.payload, second.payload) == ({"a": 1}, {"a": 2})
            if kind == connection.SimpleQueue:
                first.ack()
                second.ack()
            with pytest.raises(queue.Empty):
                queue.get(block=False)

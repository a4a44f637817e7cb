"""Messages on the embedded broker: as published, in order, settled, expired, dead-lettered."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import ChannelError, MessageNacked, NotFound, PreconditionFailed
from kombu import Connection, Exchange, Producer, Queue
from kombu.asynchronous.hub import Hub

from proj.embedded import wake_up


def publish(channel: Any, body: Any, key: str = "q", exchange: str = "", **options: Any) -> None:
    """Publish through Kombu's producer."""
    Producer(channel).publish(body, routing_key=key, exchange=exchange, **options)


def bodies(channel: Any, queue: str = "q") -> list[Any]:
    """Take everything that is ready."""
    found = []
    while message := channel.basic_get(queue, no_ack=True):
        found.append(message.payload)
    return found


def size(channel: Any, queue: str = "q") -> int:
    """Count what is ready."""
    return int(channel.queue_declare(queue, passive=True).message_count)


def test_a_message_arrives_with_its_bytes_and_properties_unchanged(channel: Any) -> None:
    """Body bytes, every property and every header are what was published, of whatever type."""
    channel.queue_declare("q")
    body = bytes(range(256))
    headers = {"text": "é", "number": 1, "when": dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)}
    publish(
        channel,
        body,
        content_type="application/x-thing",
        content_encoding="binary",
        headers=headers,
        correlation_id="c",
        reply_to="r",
        message_id="m",
        priority=3,
    )

    message = channel.basic_get("q")

    assert message.body == body
    assert message.headers == headers
    assert message.properties["correlation_id"] == "c"
    assert message.properties["reply_to"] == "r"
    assert message.properties["message_id"] == "m"
    assert message.properties["priority"] == 3
    assert message.properties["delivery_mode"] == 2
    assert (message.content_type, message.content_encoding) == ("application/x-thing", "binary")
    assert message.delivery_info["routing_key"] == "q"
    assert message.delivery_info["redelivered"] is False


def test_higher_priority_comes_first_and_equals_in_the_order_of_publishing(channel: Any) -> None:
    """Priorities order the queue; x-max-priority caps them; equals are first in, first out."""
    channel.queue_declare("q", arguments={"x-max-priority": 5})
    for name, priority in (("a", 0), ("b", 5), ("c", 9), ("d", 1), ("e", 1)):
        publish(channel, name, priority=priority)

    assert bodies(channel) == ["b", "c", "d", "e", "a"]


@pytest.mark.parametrize(
    ("kind", "binding", "key", "arrives"),
    [
        ("direct", "a", "a", True),
        ("direct", "a", "b", False),
        ("fanout", "", "anything", True),
        ("topic", "a.*.c", "a.b.c", True),
        ("topic", "a.#", "a", True),
        ("topic", "a.*", "a", False),
    ],
)
def test_an_exchange_routes_by_its_kind(
    channel: Any, kind: str, binding: str, key: str, *, arrives: bool
) -> None:
    """Direct, fan-out and topic exchanges send a message where RabbitMQ would."""
    queue = Queue("q", Exchange("e", kind), routing_key=binding)
    queue(channel).declare()
    publish(channel, "x", key, "e")

    assert bodies(channel) == (["x"] if arrives else [])


def test_a_headers_exchange_compares_headers(channel: Any) -> None:
    """All arguments of the binding must match by default, one is enough with x-match any."""
    channel.exchange_declare("e", "headers")
    for name, mode in (("all", "all"), ("any", "any")):
        channel.queue_declare(name)
        channel.queue_bind(name, "e", "", arguments={"x-match": mode, "a": 1, "b": 2})
    publish(channel, "x", "", "e", headers={"a": 1})

    assert bodies(channel, "all") == []
    assert bodies(channel, "any") == ["x"]


def test_a_requeued_message_returns_to_its_position_and_is_counted(channel: Any) -> None:
    """Reject with requeue puts it back first, flagged as redelivered, and counts."""
    channel.queue_declare("q")
    for name in "ab":
        publish(channel, name)
    for count in range(3):
        message = channel.basic_get("q")
        assert message.payload == "a"
        assert message.delivery_info["redelivered"] is (count > 0)
        assert message.headers.get("x-delivery-count", 0) == count
        message.requeue()

    assert bodies(channel) == ["a", "b"]


def test_what_a_closed_channel_held_goes_back(connect: Any) -> None:
    """Unacknowledged messages return when their channel closes, and on recover."""
    connection = connect()
    channel, other = connection.channel(), connection.channel()
    channel.queue_declare("q")
    publish(channel, "a")
    assert channel.basic_get("q").payload == "a"
    assert size(other) == 0
    channel.basic_recover(requeue=True)
    assert size(other) == 1
    assert channel.basic_get("q").payload == "a"
    channel.close()

    assert other.basic_get("q").headers["x-delivery-count"] == 2


def test_prefetch_bounds_what_a_consumer_holds_and_can_change(connect: Any) -> None:
    """A consumer gets no more than its prefetch count, more after an ack, or a larger count."""
    connection = connect()
    channel = connection.channel()
    channel.queue_declare("q")
    for number in range(10):
        publish(channel, number)
    got: list[Any] = []
    channel.basic_qos(0, 2, False)  # noqa: FBT003  as Kombu calls it
    channel.basic_consume("q", callback=got.append)

    def drain() -> list[int]:
        with pytest.raises(TimeoutError):  # noqa: PT012  one of many calls raises
            while True:
                connection.drain_events(timeout=0.05)
        return [message.payload for message in got]

    assert drain() == [0, 1]
    got[0].ack()
    assert drain() == [0, 1, 2]
    channel.basic_qos(0, 4, False)  # noqa: FBT003
    assert drain() == [0, 1, 2, 3, 4]
    channel.basic_ack(got[-1].delivery_tag, multiple=True)
    assert drain() == list(range(9))


def test_a_cancelled_consumer_returns_what_it_was_never_handed(connect: Any) -> None:
    """What was claimed ahead goes back unmarked; what the callback got stays with it."""
    connection = connect()
    channel = connection.channel()
    channel.queue_declare("q", auto_delete=False)
    for number in range(5):
        publish(channel, number)
    for no_ack in (False, True):
        got: list[Any] = []
        channel.basic_consume("q", no_ack=no_ack, callback=got.append, consumer_tag="t")
        connection.drain_events(timeout=1)
        channel.basic_cancel("t")

        assert [message.payload for message in got] == [0 if not no_ack else 1]
        assert size(channel) == 4 - no_ack
    message = channel.basic_get("q")
    assert (message.payload, message.delivery_info["redelivered"]) == (2, False)


def test_a_publish_to_nowhere_is_dropped_or_raises_when_mandatory(channel: Any) -> None:
    """Mandatory raises what py-amqp raises, code 312, or calls the producer's on_return."""
    publish(channel, "x", "nowhere")
    with pytest.raises(ChannelError) as raised:
        publish(channel, "x", "nowhere", mandatory=True)
    assert raised.value.reply_code == 312

    returned: list[Any] = []
    producer = Producer(channel, on_return=lambda *details: returned.append(details))
    producer.publish("x", routing_key="nowhere", mandatory=True)
    assert [(details[1], details[2]) for details in returned] == [("", "nowhere")]


def test_a_publish_to_an_unknown_exchange_raises(channel: Any) -> None:
    """An exchange that was never declared is an error, not a hole."""
    with pytest.raises(NotFound):
        publish(channel, "x", "q", "unknown")


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


def test_a_waiting_consumer_gets_a_delayed_message_on_time(connect: Any) -> None:
    """Blocked in drain_events, a consumer is handed the message within 50 ms of its due time."""
    connection, publisher = connect(), connect()
    channel = connection.channel()
    channel.queue_declare("q")
    got: list[float] = []
    channel.basic_consume("q", callback=lambda _message: got.append(time.time()))
    due = time.time() + 0.3
    publish(publisher.channel(), "late", headers={"x-delay": 300})
    connection.drain_events(timeout=5)

    assert 0 <= got[0] - due + 0.002 < 0.052


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Make an event loop as Celery's worker has one."""
    made = Hub()
    yield made
    made.close()


@pytest.mark.parametrize("served", ["blocking", "event loop"])
def test_a_busy_consumer_rests_while_a_delayed_message_is_due(
    connect: Any, hub: Hub, served: str
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
        began, until = time.process_time(), time.monotonic() + seconds
        while time.monotonic() < until:
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
    run(0.3)
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
        until = time.monotonic() + 2
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

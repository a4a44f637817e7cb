"""Messages on the embedded broker: as published, in order, settled, expired, dead-lettered."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from amqp.exceptions import ChannelError, NotFound
from kombu import Exchange, Producer, Queue

from tests.integration.embedded.exchanging import bodies, publish, size


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

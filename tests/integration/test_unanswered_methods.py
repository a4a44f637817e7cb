"""A broker that stops answering in the middle of a conversation, as behind a dead network."""

from __future__ import annotations

import time

import pytest

from proj.broker import channel as broker_channel
from proj.broker import deadline
from proj.broker.connection import Connection
from tests.support.proxy import Proxy
from tests.support.rabbitmq import RabbitMQ


def test_a_method_that_is_not_answered_ends_with_the_connection_dropped(
    node: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """py-amqp waits without end, and a worker that declares or consumes then stands still.

    Ours raises an error that Celery's worker knows as a lost connection, and connects again.
    """
    monkeypatch.setattr(broker_channel, "ANSWER_SECONDS", 1.0)
    with Proxy(node.port) as proxy, Connection(proxy.url(node.url())) as connection:
        channel = connection.channel()
        proxy.hold_answers()
        began = time.monotonic()

        with pytest.raises(TimeoutError) as raised:
            channel.queue_declare("unanswered", exclusive=True)

        assert time.monotonic() - began < 5
        assert proxy.held_bytes, "the broker had answered, and the answer did not pass"
        assert isinstance(raised.value, connection.recoverable_connection_errors)
        assert not connection.connected


def test_a_wait_that_is_shorter_than_its_deadline_stays_as_short(node: RabbitMQ) -> None:
    """Whoever collects answers for a second has them after a second, not at the deadline."""
    with Connection(node.url()) as connection, deadline.within(20):
        connection.connect()
        began = time.monotonic()

        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.5)

        assert 0.4 < time.monotonic() - began < 10

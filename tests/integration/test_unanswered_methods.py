"""A broker that stops answering in the middle of a conversation, as behind a dead network."""

from __future__ import annotations

import time

import pytest

from proj.broker import channel as broker_channel
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

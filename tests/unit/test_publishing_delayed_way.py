"""The routing key that carries a delay, and the way back from it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from kombu.transport.native_delayed_delivery import calculate_routing_key

from proj import plugin
from proj.publishing.delays import delay, leave_delayed_way
from proj.topology.delays import LONGEST_SECONDS, delayed_routing_key, destination_queue


@pytest.mark.parametrize("seconds", [1, 2, 3, 59, 3600, 2**27, LONGEST_SECONDS])
@pytest.mark.parametrize("queue", ["task_queue", "a.b.c", "0.1.0", "with space"])
def test_the_routing_key_is_celerys_own_and_leads_back_to_the_queue(
    seconds: int, queue: str
) -> None:
    """Stock Celery's messages and ours go the same way."""
    routing_key = delayed_routing_key(seconds, queue)

    assert routing_key == calculate_routing_key(seconds, queue)
    assert destination_queue(routing_key) == queue


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_SECONDS + 1])
def test_a_delay_out_of_range_is_refused(seconds: int) -> None:
    """Nothing is sent too early because its delay did not fit."""
    with pytest.raises(ValueError, match="a delay is 1 to 268435455 s"):
        delayed_routing_key(seconds, "task_queue")


def test_a_queues_name_that_leaves_no_room_is_refused() -> None:
    """The routing key is at most 255 bytes, as AMQP has it."""
    delayed_routing_key(1, "x" * 199)
    with pytest.raises(ValueError, match="long name"):
        delayed_routing_key(1, "x" * 200)


def test_a_retried_task_whose_delivery_was_delayed_goes_to_its_queue() -> None:
    """Its routing key does not grow, and without a countdown it needs no delay to come back."""
    options = {
        "exchange": "celery_delayed_delivery",
        "routing_key": delayed_routing_key(5, "a.b"),
        "priority": 3,
    }

    leave_delayed_way(options)

    assert options == {"queue": "a.b", "priority": 3}


def test_another_way_is_left_alone() -> None:
    """Only the exchange of the delays means that a delivery was delayed."""
    options = {"exchange": "reports", "routing_key": "0.1.daily"}

    leave_delayed_way(options)

    assert options == {"exchange": "reports", "routing_key": "0.1.daily"}


@pytest.mark.parametrize(("driver_type", "kept"), [("sqlite", False), ("redis", True)])
def test_brokers_other_than_rabbitmq(driver_type: str, kept: bool) -> None:  # noqa: FBT001 - a parameter
    """The embedded broker keeps a message for ``x-delay``; a broker that cannot, leaves the ETA."""
    app = Celery("delays", set_as_current=False)
    plugin.install(app)
    message = app.amqp.create_task_message("the-id", "echo", (), {}, countdown=1.5)
    transport = SimpleNamespace(driver_type=driver_type)
    producer = SimpleNamespace(connection=SimpleNamespace(transport=transport))
    options: dict[str, Any] = {"queue": app.amqp.default_queue}

    delay(app, producer, message, options)

    assert bool(message.headers["eta"]) is kept
    assert kept or 1000 < message.headers["x-delay"] <= 1500
    assert options["queue"] is app.amqp.default_queue
    assert "exchange" not in options

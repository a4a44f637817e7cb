"""What a caller may do, and may get wrong: each mistake is one clear error of ours."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import kombu
import pytest
from celery import Celery

from proj.errors import PublishError, Unroutable, Unwritable
from proj.publishing.producer import POSITIONAL
from tests.support.broker import Broker
from tests.support.publishing_app import waiting
from tests.support.rabbitmq import RabbitMQ

MakeApp = Callable[..., Celery]


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 300},
        {"priority": "high"},
        {"routing_key": "r" * 256, "exchange": "amq.topic"},
        {"reply_to": "r" * 256},
        {"headers": {"x": object()}, "serializer": "pickle"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_property_that_amqp_cannot_hold_is_told_at_the_call(
    options: dict[str, object], app: Celery
) -> None:
    """It is a ``ValueError`` too; nothing was sent, and the next publish works."""
    with pytest.raises(Unwritable, match="Correct the call") as raised:
        app.send_task("echo", task_id="the-id", **options)

    assert isinstance(raised.value, ValueError)
    assert raised.value.task_id == "the-id"
    app.send_task("echo")
    assert waiting(app) == 1


def test_a_held_producer_publishes_after_a_message_that_cannot_be_written(app: Celery) -> None:
    """The message before it, wrong in itself, does not cost the producer its connection."""
    with app.producer_pool.acquire(block=True) as producer:
        with pytest.raises(Unwritable):
            app.tasks["echo"].apply_async(producer=producer, priority=300)
        app.tasks["echo"].apply_async(producer=producer)

    assert waiting(app) == 1


def test_an_account_that_may_only_write_publishes_to_the_queue_that_is_there(
    broker: Broker, node: RabbitMQ, make: MakeApp
) -> None:
    """It may not declare, and need not; without the queue it learns who declares it."""
    account = broker.virtual_host
    node.control("add_user", account, "secret")
    rights = ("^$", ".*", "^celery_delayed_.*")
    node.control("set_permissions", "-p", broker.virtual_host, account, *rights)
    app = make(broker.url.replace("guest:guest", f"{account}:secret"))
    queue = app.amqp.default_queue.name
    with pytest.raises(Unroutable, match="a worker does it as it starts"):
        app.send_task("echo")

    owner = make(broker.url, work_queue_name=queue)
    for each in (owner, app):
        each.send_task("echo")
        each.send_task("echo", countdown=600)

    assert broker.waiting(queue) == 2
    assert broker.waiting("celery_delayed_9") == 2


def test_kombus_own_producer_on_our_connection_raises_our_error(app: Celery) -> None:
    """It is also the ``ChannelError`` that Kombu's users handle."""
    with app.connection_for_write() as connection:
        producer = kombu.Producer(connection)
        with pytest.raises(Unroutable, match="No queue took the message") as raised:
            producer.publish({}, routing_key="nowhere", mandatory=True)

        assert isinstance(raised.value, connection.channel_errors)
    assert isinstance(raised.value, PublishError)
    assert raised.value.queue == "nowhere"


def test_threads_may_send_their_first_task_at_once_with_results_by_rpc(
    url: str, make: MakeApp
) -> None:
    """Each declares its reply queue on a connection of its own, none on one that they share."""
    app = make(url, result_backend="rpc://", task_ignore_result=False)
    barrier = Barrier(12)

    def send(value: int) -> str:
        barrier.wait(30)
        return str(app.tasks["echo"].delay(value).id)

    with ThreadPoolExecutor(12) as threads:
        sent = list(threads.map(send, range(12)))

    assert waiting(app) == len(set(sent)) == 12
    assert not app.pool.connection.connected


def test_publish_takes_by_position_what_kombus_takes(app: Celery) -> None:
    """Code that was written for Kombu's producer works with the one of ``app.producer_pool``."""
    theirs = list(inspect.signature(kombu.Producer.publish).parameters)
    assert theirs == ["self", "body", "routing_key", *POSITIONAL]
    queue = app.amqp.default_queue
    with app.producer_pool.acquire(block=True) as producer:
        queue(producer.channel).declare()
        producer.publish(b"plain", queue.name, 2, True, False, 0, "text/plain", "utf-8")  # noqa: FBT003 - the point
    with app.connection() as connection:
        message = connection.default_channel.basic_get(queue.name, no_ack=True)

    assert (message.body, message.content_type) == ("plain", "text/plain")
    assert message.properties["delivery_mode"] == 2

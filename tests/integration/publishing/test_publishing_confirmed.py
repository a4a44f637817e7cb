"""Returned means held: whichever way a task is sent, and an error that says why not."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import MessageNacked
from celery import Celery, chain, chord, group
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.exceptions import QueueNotFound
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from pika import URLParameters

from proj.broker.channel import Unconfirmed
from proj.errors import Refused, Unroutable
from proj.publishing import producer
from proj.publishing.plain import publish_plain
from tests.support.proxy import Proxy
from tests.support.publishing_app import masked, waiting

MakeApp = Callable[..., Celery]


def by_beat(app: Celery) -> None:
    """Send the task as ``celery beat`` sends it when it is due."""
    entry = ScheduleEntry(name="entry", task="echo", schedule=60, app=app)
    scheduler = Scheduler(app, lazy=True)
    try:
        scheduler.apply_async(entry, advance=False)
    except SchedulingError as error:
        raise error.__context__ from None  # beat logs it, and goes on
    finally:
        scheduler.close()


WAYS: dict[str, Callable[[Celery], Any]] = {
    "delay": lambda app: app.tasks["echo"].delay(1),
    "apply_async": lambda app: app.tasks["echo"].apply_async((1,)),
    "named queue": lambda app: app.tasks["echo"].apply_async(
        (1,), queue=app.amqp.default_queue.name
    ),
    "send_task": lambda app: app.send_task("not registered here"),
    "group of one": lambda app: group([app.tasks["echo"].s(1)]).apply_async(),
    "chain": lambda app: chain(app.tasks["echo"].s(1), app.tasks["echo"].s()).apply_async(),
    "chord": lambda app: chord([app.tasks["echo"].s(1)], app.tasks["total"].s()).apply_async(),
    "beat": by_beat,
    "publish_plain": lambda app: publish_plain(app, "Message 0"),
}


@pytest.mark.parametrize("way", WAYS)
def test_when_the_call_returns_the_broker_holds_the_message(
    way: str, url: str, make: MakeApp
) -> None:
    """The queue has one more message as soon as the call has returned, whichever way it was."""
    app = make(url, result_backend="cache+memory://")

    WAYS[way](app)

    assert waiting(app) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_queue_deleted_behind_a_warm_producer_is_an_error(
    way: str, url: str, make: MakeApp
) -> None:
    """A message that no queue took raises, though the queue was there a message before."""
    app = make(url, result_backend="cache+memory://")
    queue = app.amqp.default_queue.name
    WAYS[way](app)
    with app.connection() as connection:
        connection.default_channel.queue_delete(queue)

    with pytest.raises(Unroutable) as raised:
        WAYS[way](app)

    assert (raised.value.queue, raised.value.routing_key, raised.value.exchange) == (
        queue,
        queue,
        "",
    )
    assert raised.value.broker == masked(url)


def test_the_queue_is_declared_again_by_the_message_after_the_unroutable_one(app: Celery) -> None:
    """A deleted queue costs one error, not every message until the process ends."""
    app.send_task("echo")
    with app.connection() as connection:
        connection.default_channel.queue_delete(app.amqp.default_queue.name)
    with pytest.raises(Unroutable):
        app.send_task("echo")

    app.send_task("echo")

    assert waiting(app) == 1


def test_an_exchange_that_does_not_exist_is_unroutable(app: Celery) -> None:
    """The broker closes the channel for it; the caller learns the exchange and the task id."""
    with pytest.raises(Unroutable) as raised:
        app.send_task("echo", exchange="nowhere", routing_key="x", task_id="the-id")

    error = raised.value
    assert (error.task_id, error.exchange, error.routing_key) == ("the-id", "nowhere", "x")
    assert "no exchange 'nowhere'" in str(error)


def test_a_queue_that_is_not_configured_is_unroutable(app: Celery) -> None:
    """A misspelt queue tells what a queue that is gone tells, and Celery's handlers know it too."""
    with pytest.raises(QueueNotFound) as raised:
        app.tasks["echo"].apply_async((1,), queue="misspelt", task_id="the-id")

    error = raised.value
    assert isinstance(error, Unroutable)
    assert (error.task_id, error.queue) == ("the-id", "misspelt")
    assert "no queue 'misspelt' is configured" in str(error)
    assert error.broker in str(error)


def test_a_full_queue_refuses(app: Celery) -> None:
    """``basic.nack`` of a queue with ``reject-publish`` raises Refused; the queue is as before."""
    queue = _queue_for_one_message()
    app.send_task("echo", queue=queue)

    with pytest.raises(Refused) as raised:
        app.send_task("echo", queue=queue, task_id="the-id")

    assert (raised.value.task_id, raised.value.queue) == ("the-id", queue.name)
    assert waiting(app, queue.name) == 1


def test_a_refusal_that_passes_within_a_moment_is_not_an_error(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quorum queue without a leader refuses as a full one does: a nack is not the end of it."""
    queue = _queue_for_one_message()
    app.send_task("echo", queue=queue)
    pauses: list[float] = []

    def make_room(seconds: float) -> None:
        pauses.append(seconds)
        with app.connection() as connection:
            connection.default_channel.queue_purge(queue.name)

    monkeypatch.setattr(producer, "time", SimpleNamespace(sleep=make_room))

    app.send_task("echo", queue=queue)

    assert pauses == [producer.REFUSED_PAUSES_SECONDS[0]]
    assert waiting(app, queue.name) == 1


def test_an_error_is_one_line_with_all_that_is_needed_and_survives_pickling(app: Celery) -> None:
    """What happened, to which task and queue, where, and what to do; never the password."""
    queue = _queue_for_one_message()
    app.send_task("echo", queue=queue)

    with pytest.raises(OperationalError) as raised:
        app.send_task("echo", queue=queue, task_id="the-id")

    told = str(raised.value)
    assert "\n" not in told
    assert all(part in told for part in ("the-id", queue.name, masked(app.conf.broker_url)))
    assert "guest:guest" not in told
    assert vars(pickle.loads(pickle.dumps(raised.value))) == vars(raised.value)  # noqa: S301 - our own


def test_a_late_confirm_is_not_taken_for_the_next_message(url: str, make: MakeApp) -> None:
    """A confirm belongs to its delivery tag: the ack that came too late does not settle a nack."""
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url))
        queue = _queue_for_one_message()
        with app.connection() as connection:
            channel = connection.default_channel
            queue(channel).declare()
            _publish(channel, queue, 10)
            queue(channel).purge()
            proxy.hold()
            with pytest.raises(Unconfirmed):
                _publish(channel, queue, 0.2)
            assert proxy.held_bytes, "nothing was held"
            proxy.resume()

            # The queue takes the first message and refuses the second: its ack comes, then a nack.
            with pytest.raises(MessageNacked):
                _publish(channel, queue, 10)


def test_events_and_replies_go_on_working(url: str, make: MakeApp) -> None:
    """Task-sent events reach a listener, and no listener is no error: they are not mandatory."""
    app = make(url, task_send_sent_event=True)
    app.send_task("echo")
    sent = []
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"task-sent": sent.append})
        with receiver.consumer_context() as (listening, _, _):
            app.send_task("echo", task_id="the-id")
            while not sent:
                listening.drain_events(timeout=10)

    assert [event["uuid"] for event in sent] == ["the-id"]


def test_events_that_go_nowhere_do_not_fail_tasks(url: str, make: MakeApp) -> None:
    """The broker closes the channel for an event whose exchange is gone; the tasks go on."""
    app = make(url, task_send_sent_event=True, event_exchange=f"events-{secrets.token_hex(4)}")
    app.send_task("echo")
    with app.connection() as connection:
        connection.default_channel.exchange_delete(app.conf.event_exchange)

    for _ in range(5):
        app.send_task("echo")

    assert waiting(app) == 6


def _queue_for_one_message() -> Queue:
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish", "x-expires": 60_000}
    name = f"full-{secrets.token_hex(4)}"
    return Queue(name, Exchange(""), name, queue_arguments=arguments)


def _publish(channel: Any, queue: Queue, seconds: float) -> None:
    message = channel.prepare_message(
        "body", content_encoding="utf-8", properties={"delivery_mode": 2}
    )
    channel.basic_publish(message, routing_key=queue.name, confirm_timeout=seconds)

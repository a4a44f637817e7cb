"""Many messages at once: the same messages, and each with its own outcome."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, signals
from kombu import Queue

from proj import publish_many
from proj.errors import Unroutable
from proj.publishing.ahead import CHUNK
from proj.publishing.outcomes import Interrupted, NotAllPublished, Outcome, Outcomes
from tests.support.publishing_app import make_app
from tests.support.waiting import wait_until

MakeApp = Callable[..., Celery]


@pytest.fixture(params=["embedded", "rabbitmq"])
def app(request: pytest.FixtureRequest, tmp_path: Path, make: MakeApp) -> Celery:
    """Return an app on each broker that keeps the promise."""
    if request.param == "embedded":
        return make_app(f"sqlite:///{tmp_path / 'task_queue.db'}")
    return make(request.getfixturevalue("url"))


def taken(app: Celery, queue: str | None = None) -> list[Any]:
    """Take every message that waits in ``queue``, else in the work queue."""
    found = []
    with app.connection() as connection:
        channel = connection.channel()
        while message := channel.basic_get(queue or app.amqp.default_queue.name, no_ack=True):
            found.append(channel.message_to_python(message))
    return found


def ids(messages: list[Any]) -> list[str]:
    """Return the task ids of messages."""
    return [message.headers["id"] for message in messages]


def declare(app: Celery, **arguments: Any) -> str:
    """Declare a classic queue with these arguments, which the app can send to; return its name."""
    queue = f"{app.amqp.default_queue.name}-{len(app.amqp.queues)}"
    entity = Queue(queue, routing_key=queue, durable=False, queue_arguments=arguments)
    app.amqp.queues.add(entity)
    with app.connection() as connection:
        entity(connection.default_channel).declare()
    return queue


def test_every_message_of_a_generator_waits_in_its_order(app: Celery) -> None:
    """More messages than a window: all confirmed, each once, in the order of the iterable."""
    count = 2 * CHUNK + 103
    progress: list[int] = []

    outcomes = publish_many(
        (app.tasks["echo"].s(number) for number in range(count)),
        on_progress=lambda outcomes: progress.append(outcomes.total),
    )

    messages = taken(app)
    assert [message.payload[0] for message in messages] == [[number] for number in range(count)]
    assert len(set(ids(messages))) == count
    assert (outcomes.confirmed, outcomes.failed) == (count, [])
    assert progress[-1] == count
    assert progress == sorted(progress)


def test_a_message_is_the_one_that_apply_async_publishes(app: Celery) -> None:
    """Body, headers and properties are equal; calls are signatures, or arguments of one task."""
    echo = app.tasks["echo"]
    options: list[dict[str, Any]] = [{}, {"priority": 3}, {"serializer": "pickle"}]
    for each in options:
        for _ in range(2):
            echo.apply_async((), {"value": "Message 0"}, task_id="the same", **each)
    wanted = taken(app)

    publish_many(
        echo.signature((), {"value": "Message 0"}, task_id="the same", **each)
        for each in options
        for _ in range(2)
    )
    by_signature = taken(app)
    calls = [((), {"value": "Message 0"}, {"task_id": "the same", **each}) for each in options]
    publish_many([call for call in calls for _ in range(2)], task=echo)
    by_arguments = taken(app)

    for found in (by_signature, by_arguments):
        assert [shown(message) for message in found] == [shown(message) for message in wanted]


def shown(message: Any) -> tuple[Any, ...]:
    """Return all of a message that its publisher decides."""
    info = message.delivery_info
    properties = {key: value for key, value in message.properties.items() if value is not None}
    # The moment of the publish; some seconds lie between the first of these messages and the last.
    properties["timestamp"] = abs(properties["timestamp"] - time.time()) < 60
    body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
    return body, message.headers, properties, info["exchange"], info["routing_key"]


def test_arguments_may_be_left_out(app: Celery) -> None:
    """``(args,)`` and ``()`` are calls without keyword arguments, without arguments."""
    publish_many([(), ((1,),), ((), {"value": 2})], task=app.tasks["echo"])

    assert [message.payload[:2] for message in taken(app)] == [
        [[], {}],
        [[1], {}],
        [[], {"value": 2}],
    ]


def test_a_limit_that_would_publish_nothing_is_refused(app: Celery) -> None:
    """It would return as if all were published."""
    with pytest.raises(ValueError, match="failures_limit: expected 1 or more, found 0"):
        publish_many([((1,),)], task=app.tasks["echo"], failures_limit=0)


def test_nothing_is_published_for_an_empty_iterable(app: Celery) -> None:
    """No message is no error."""
    assert publish_many([], app=app).total == 0


def test_each_message_that_no_queue_takes_has_its_own_outcome(app: Celery) -> None:
    """Lost in the midst of others: exactly those are unroutable, and all others are held."""
    echo = app.tasks["echo"]
    lost = {7: "no such queue", CHUNK + 1: "no such exchange", 2 * CHUNK: "no such queue"}
    ways = {
        "no such queue": {"exchange": "amq.direct", "routing_key": "missing"},
        "no such exchange": {"exchange": "missing", "routing_key": "missing"},
    }
    calls = [((number,), {}, ways[lost[number]] if number in lost else {}) for number in range(600)]

    with pytest.raises(NotAllPublished, match="3 unroutable") as raised:
        publish_many(calls, task=echo)

    outcomes = raised.value.outcomes
    assert [(each.number, each.state) for each in outcomes.failed] == [
        (number, "unroutable") for number in lost
    ]
    assert all(isinstance(each.error, Unroutable) for each in outcomes.failed)
    # RabbitMQ closes the channel for an unknown exchange; what had no answer is published again.
    assert {message.payload[0][0] for message in taken(app)} == set(range(600)) - set(lost)


def test_a_full_queue_refuses_exactly_what_it_does_not_hold(app: Celery) -> None:
    """Those confirmed are those that wait; many refusals end it."""
    queue = declare(app, **{"x-max-length": 10, "x-overflow": "reject-publish"})
    found: list[Outcome] = []

    with pytest.raises(NotAllPublished, match="refused") as raised:
        publish_many(
            (app.tasks["echo"].signature((number,), queue=queue) for number in range(5000)),
            failures_limit=100,
            on_outcome=found.append,
        )

    outcomes = raised.value.outcomes
    assert set(outcomes.counts) == {"confirmed", "refused"}
    assert outcomes.total == len(found) < 1000
    held = [each.message.id for each in found if each.state == "confirmed"]
    assert sorted(ids(taken(app, queue))) == sorted(held)


def test_the_failed_ones_are_published_again_as_they_are(app: Celery) -> None:
    """``outcomes.failed`` holds messages that can be published again, with the same ids."""
    queue = declare(app, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    app.tasks["echo"].apply_async(queue=queue, task_id="it is full")
    call = ((1,), {}, {"queue": queue, "task_id": "one"})
    with pytest.raises(NotAllPublished) as raised:
        publish_many([call], task=app.tasks["echo"])
    assert ids(taken(app, queue)) == ["it is full"]

    publish_many((each.message for each in raised.value.outcomes.failed), app=app)

    assert ids(taken(app, queue)) == ["one"]


def test_no_more_than_a_window_is_in_memory(app: Celery) -> None:
    """The iterable is read as the broker confirms: never far ahead of the outcomes."""
    settled: list[Outcome] = []
    ahead: list[int] = []

    def calls() -> Iterator[Any]:
        for number in range(2000):
            ahead.append(number - len(settled))
            yield ((number,),)

    publish_many(calls(), task=app.tasks["echo"], on_outcome=settled.append)

    assert max(ahead) <= 2 * CHUNK
    assert len(settled) == 2000


def test_an_error_of_the_iterable_comes_after_all_before_it_is_confirmed(app: Celery) -> None:
    """What the caller's own code raises is raised, and all that came before is held."""
    settled: list[Outcome] = []

    def calls() -> Iterator[Any]:
        for number in range(2 * CHUNK + 1):
            yield ((number,),)
        raise LookupError("the caller's own")

    with pytest.raises(LookupError, match="the caller's own"):
        publish_many(calls(), task=app.tasks["echo"], on_outcome=settled.append)

    assert {each.state for each in settled} == {"confirmed"}
    assert ids(taken(app)) == [each.message.id for each in settled]
    assert len(settled) == 2 * CHUNK + 1


def test_ctrl_c_gives_the_outcomes_so_far(app: Celery) -> None:
    """SIGINT ends it; what has an outcome is what waits, and the rest was never taken."""

    def interrupt(outcomes: Outcomes) -> None:
        if outcomes.total >= CHUNK:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as raised:
        publish_many(
            (app.tasks["echo"].s(number) for number in range(100_000)), on_progress=interrupt
        )

    outcomes = raised.value.outcomes
    assert outcomes.confirmed == outcomes.total < 1000
    assert len(taken(app)) == outcomes.total


def test_each_confirmed_message_is_signalled_and_its_event_sent(app: Celery) -> None:
    """``after_task_publish`` comes once for each message that is held, and for no other."""
    app.conf.task_send_sent_event = True
    nowhere = {"exchange": "amq.direct", "routing_key": "missing"}
    published: list[str] = []
    sent: list[str] = []

    def note(sender: str, headers: dict[str, Any], routing_key: str, **_: Any) -> None:
        assert (sender, routing_key) == ("echo", app.amqp.default_queue.name)
        published.append(headers["id"])

    signals.after_task_publish.connect(note)
    try:
        with app.connection() as connection:
            receiver = app.events.Receiver(
                connection, handlers={"task-sent": lambda event: sent.append(event["uuid"])}
            )
            with receiver.consumer_context() as (consuming, *_):
                with pytest.raises(NotAllPublished):
                    publish_many([((1,),), ((2,), {}, nowhere), ((3,),)], task=app.tasks["echo"])

                def receive() -> list[str]:
                    with suppress(TimeoutError):
                        consuming.drain_events(timeout=0.1)
                    return sent

                wait_until(receive, lambda sent: len(sent) > 1, what="two events task-sent")
    finally:
        signals.after_task_publish.disconnect(note)

    assert published == sent == ids(taken(app))


def test_a_delay_is_kept_by_the_broker(app: Celery) -> None:
    """A countdown delays a message of many as it delays one of ``apply_async``."""
    app.tasks["echo"].delay("at once")
    publish_many([(("later",), {}, {"countdown": 1}), (("now",),)], task=app.tasks["echo"])
    assert [message.payload[0] for message in taken(app)] == [["at once"], ["now"]]

    found: list[Any] = []

    def look() -> list[Any]:
        found.extend(taken(app))
        return found

    wait_until(look, what="the delayed message")
    assert [message.payload[0] for message in found] == [["later"]]

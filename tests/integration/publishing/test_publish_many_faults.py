"""Many messages at once over a connection that breaks: each in one outcome, none lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any
from unittest.mock import Mock

import pytest
from celery import Celery
from celery.backends.base import DisabledBackend
from pika import URLParameters

from proj import publish_many
from proj.errors import BrokerUnavailable, OutcomeUnknown, Unwritable
from proj.publishing.outcomes import NotAllPublished, Outcome, Outcomes
from tests.integration.publishing.test_publish_many import ids, taken
from tests.support.faults import resource_alarm
from tests.support.proxy import Proxy
from tests.support.publishing_app import make_app
from tests.support.rabbitmq import RabbitMQ

MakeApp = Callable[..., Celery]

COUNT = 1000


def calls() -> Iterator[Any]:
    """Yield the calls, each with its number as its task id."""
    for number in range(COUNT):
        yield (), {}, {"task_id": str(number)}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("retry", [True, False])
def test_a_cut_leaves_each_message_in_one_outcome_and_none_lost(
    seed: int, *, retry: bool, url: str, make: MakeApp
) -> None:
    """The connection ends at a seeded moment, with hundreds of messages under way.

    By default it is opened again, and all messages are confirmed. With ``task_publish_retry`` off
    it ends there; what is confirmed is held, and publishing the others again loses none.
    """
    cut_at = random.Random(seed).randrange(COUNT - 300)  # noqa: S311 - a seeded moment
    found: list[Outcome] = []
    failed: list[Outcome] = []
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url), task_publish_retry=retry)

        def note_and_cut(outcome: Outcome) -> None:
            found.append(outcome)
            if len(found) == cut_at:
                # From here on nothing is answered, so that messages are under way at the cut.
                proxy.hold_answers()
                Timer(0.2, cut).start()

        def cut() -> None:
            proxy.cut()
            proxy.resume()

        try:
            publish_many(calls(), task=app.tasks["echo"], on_outcome=note_and_cut)
        except NotAllPublished as error:
            failed = error.outcomes.failed

        assert proxy.connections == 1 + retry, "the connection was not lost"
        assert [each.message.id for each in found] == [str(number) for number in range(len(found))]
        assert bool(failed) is not retry
        assert {each.state for each in failed} <= {"unknown"}
        if retry:
            assert len(found) == COUNT
        publish_many((each.message for each in failed), app=app)
        publish_many(list(calls())[len(found) :], task=app.tasks["echo"])

        assert set(ids(taken(app))) == {str(number) for number in range(COUNT)}


def test_a_lost_broker_ends_it_with_outcomes_where_results_come_by_rpc() -> None:
    """The reply queue cannot be declared, so no message is sent; each is ``unknown``."""
    nowhere = make_app("amqp://127.0.0.1:1//", result_backend="rpc://", task_ignore_result=False)

    with pytest.raises(NotAllPublished, match="10 unknown") as raised:
        publish_many(list(calls())[:10], task=nowhere.tasks["echo"], deadline_seconds=1)

    assert {type(each.error) for each in raised.value.outcomes.failed} == {BrokerUnavailable}


def test_a_lost_broker_ends_what_no_outbox_keeps_after_one_deadline() -> None:
    """In a transaction too: the others are kept, and no direct one waits for the broker again."""
    app = make_app("amqp://127.0.0.1:1//")
    outbox = Mock()
    app.send_task.outbox = lambda _, option: outbox if option in {True, None} else None
    mixed = [((number,), {}, {"outbox": number < 2}) for number in range(10)]
    started = time.monotonic()

    with pytest.raises(NotAllPublished, match="2 confirmed, 8 unknown"):
        publish_many(mixed, task=app.tasks["echo"], deadline_seconds=1)

    assert time.monotonic() - started < 5
    assert [len(call.args[0]) for call in outbox.keep_all.call_args_list] == [2]


def test_no_result_backend_subscribes_to_each_of_many(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million subscriptions of Redis would be for nobody; one call that has a result has one."""
    expected: list[str] = []
    app.conf.task_ignore_result = False
    monkeypatch.setattr(DisabledBackend, "on_task_call", lambda _, __, id_: expected.append(id_))
    result = app.tasks["echo"].delay()
    del expected[:]

    again = app.tasks["echo"].delay()
    publish_many(calls(), task=app.tasks["echo"])

    assert result.id != again.id
    assert expected == [again.id]


def test_a_message_that_cannot_be_written_is_refused_and_ends_nothing(app: Celery) -> None:
    """Those before it and after it are confirmed, each once at least."""
    calls = [((number,), {}, {"priority": 300} if number in {1, 7} else {}) for number in range(10)]

    with pytest.raises(NotAllPublished, match="8 confirmed, 2 refused") as raised:
        publish_many(calls, task=app.tasks["echo"])

    assert [each.number for each in raised.value.outcomes.failed] == [1, 7]
    assert all(isinstance(each.error, Unwritable) for each in raised.value.outcomes.failed)
    assert {message.payload[0][0] for message in taken(app)} == set(range(10)) - {1, 7}


@pytest.mark.parametrize("broker", ["embedded", "rabbitmq"])
def test_an_error_of_on_outcome_is_raised_and_publishes_nothing_twice(
    broker: str, make: MakeApp, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A full disk, or a closed pipe, of the caller's is an ``OSError``, and no lost connection."""
    embedded = f"sqlite:///{tmp_path / 'task_queue.db'}"
    app = make_app(embedded) if broker == "embedded" else make(request.getfixturevalue("url"))

    def fail(outcome: Outcome) -> None:
        if outcome.number == 3:
            raise BrokenPipeError("the caller's own")

    with pytest.raises(BrokenPipeError, match="the caller's own"):
        publish_many(list(calls())[:10], task=app.tasks["echo"], on_outcome=fail)

    assert ids(taken(app)) == [str(number) for number in range(10)]


def test_a_broker_that_falls_silent_ends_it_in_time(url: str, make: MakeApp) -> None:
    """The deadline is for progress: however long the whole takes, a second of silence ends it."""
    silent_since: list[float] = []
    with Proxy(URLParameters(url).port) as proxy:
        app = make(proxy.url(url))

        def silence(outcomes: Outcomes) -> None:
            if outcomes.total >= COUNT // 2 and not silent_since:
                proxy.hold_answers()
                silent_since.append(time.monotonic())

        with pytest.raises(NotAllPublished) as raised:
            publish_many(calls(), task=app.tasks["echo"], deadline_seconds=1, on_progress=silence)
        lasted = time.monotonic() - silent_since[0]
        assert proxy.held_bytes, "the broker answered nothing that was held"

    outcomes = raised.value.outcomes
    assert 1 <= lasted < 5
    assert set(outcomes.counts) == {"confirmed", "unknown"}
    assert isinstance(outcomes.failed[0].error, OutcomeUnknown)


def test_an_alarm_that_is_known_ends_it_after_one_deadline(node: RabbitMQ, make: MakeApp) -> None:
    """What waited for the end of an alarm is not tried singly, for a second deadline."""
    app = make(node.url("/"))
    app.send_task("echo")
    with resource_alarm(node, "memory"):
        with pytest.raises(OutcomeUnknown):
            app.send_task("echo", publish_deadline_seconds=1)
        began = time.monotonic()
        with pytest.raises(NotAllPublished, match="was not sent") as raised:
            publish_many(list(calls())[:10], task=app.tasks["echo"], deadline_seconds=4)
        lasted = time.monotonic() - began
        assert publish_many([], app=app).total == 0, "nothing is not waited for"

    assert 4 <= lasted < 8
    assert raised.value.outcomes.counts == {"unknown": 10}

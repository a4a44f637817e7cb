"""A pause around a new connection, and where the account may not look at it."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from amqp.exceptions import AccessRefused
from kombu import Connection, Consumer, Queue

from proj import pause
from proj.settings import Settings
from proj.worker.pausing import Pausing
from proj.worker.subscribing import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def subscription() -> Iterator[Subscription]:
    """Return the subscription of a worker that has connected, and does not consume yet."""
    settings = Settings(ownership="arguments", type="classic")
    with Connection("memory://") as connection, connection.channel() as channel:
        tasks = Consumer(channel, [Queue(settings.name)])
        yield Subscription(SimpleNamespace(task_consumer=tasks, work_queue_settings=settings))


def test_a_pause_told_while_the_worker_connects_costs_it_no_queue(
    subscription: Subscription,
) -> None:
    """It is held again by the look that follows; resumed before that, the queue is consumed."""
    subscription.hold()
    assert not subscription.consumer.task_consumer.queues

    subscription.begin()
    subscription.consumer.task_consumer.consume()

    assert subscription.queues() == ["task_queue"]


def test_a_resume_that_fails_can_be_tried_again(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is forgotten once it is consumed, not before."""

    def fail(_: Queue) -> None:
        raise OSError

    subscription.hold()
    with monkeypatch.context() as patch:
        patch.setattr(subscription.consumer.task_consumer, "add_queue", fail)
        with pytest.raises(OSError):  # noqa: PT011 - the one of this test
            subscription.go_on()

    subscription.go_on()

    assert subscription.queues() == ["task_queue"]


def test_an_account_that_may_not_look_is_refused_once_for_each_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each refusal costs a connection; with its rights, a new connection looks again."""
    looks: list[Any] = []
    refusing = True

    @contextmanager
    def channel() -> Iterator[None]:
        if refusing:
            raise AccessRefused("no access to task_queue.paused")
        yield

    consumer: Any = SimpleNamespace(
        work_queue_settings=Settings(),
        connection=SimpleNamespace(channel=channel),
        stopping=SimpleNamespace(is_stopping=False),
        settler=SimpleNamespace(
            copies=None, beside=SimpleNamespace(do=lambda ask, _: looks.append(ask))
        ),
    )
    monkeypatch.setattr(pause, "current", lambda *_: None)
    pausing = Pausing(consumer)

    pausing.begin()
    pausing.look()
    assert not looks

    refusing = False
    for number in (1, 2):
        # Of the connection before, an answer may never come.
        pausing.begin()
        pausing.look()
        assert len(looks) == number

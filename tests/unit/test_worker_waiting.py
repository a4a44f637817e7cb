"""Messages whose copy no queue takes: each is tried by one try at a time, and they are no stall."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from proj.dead_letters.copying import CopyRefused
from proj.settings import Settings
from proj.settlement.decision import Action
from proj.worker.settling import Job, Settler
from proj.worker.stall import StallWatch
from proj.worker.waiting import MOST

REFUSED = CopyRefused("the queue is full")


class Message:
    """A delivery on a connection that is there."""

    channel = SimpleNamespace(connection=object())
    acknowledged = 0

    def ack(self) -> None:
        """Count."""
        self.acknowledged += 1


def job() -> Job:
    """Return a delivery whose dead letter has to be published."""
    decision: Any = SimpleNamespace(action=Action.DEAD_LETTER)
    delivery: Any = SimpleNamespace(queue="task_queue")
    return Job(Message(), delivery, decision, acknowledge=True)


@pytest.fixture
def timers() -> list[Callable[[], None]]:
    """Return what the worker's timer is asked to call."""
    return []


@pytest.fixture
def copying() -> list[Callable[[CopyRefused | None], None]]:
    """Return what takes the answer of each copy that is being published."""
    return []


@pytest.fixture
def settler(timers: list[Any], copying: list[Any]) -> Settler:
    """Return the settler of a worker whose copies are answered by the test."""
    consumer: Any = SimpleNamespace(
        timer=SimpleNamespace(call_after=lambda _, call: timers.append(call)),
        subscription=SimpleNamespace(
            make_room=lambda: None, last_delivery=float("-inf"), queues=lambda: ["task_queue"]
        ),
        stopping=SimpleNamespace(is_stopping=False),
        pool=None,
        connection_errors=(),
        channel_errors=(),
    )
    consumer.settler = Settler(consumer, Settings())
    beside: Any = SimpleNamespace(do=lambda _, then: copying.append(then))
    consumer.settler.beside = beside
    return consumer.settler  # type: ignore[no-any-return]


def test_a_try_that_is_under_way_is_not_begun_again(
    settler: Settler, timers: list[Any], copying: list[Any]
) -> None:
    """The broker refuses more slowly than we try again: one letter each, acknowledged once."""
    jobs = [job(), job()]
    for each in jobs:
        settler.waiting.add(each, REFUSED)
    timers.pop()()
    assert len(copying) == 2

    copying.pop(0)(REFUSED)
    timers.pop()()
    assert len(copying) == 2, "the first is tried again, the second one still is"
    while copying:
        copying.pop()(None)

    assert [each.message.acknowledged for each in jobs] == [1, 1]
    assert not settler.waiting.jobs


def test_a_worker_that_takes_no_more_while_too_many_wait_is_not_stalled(
    settler: Settler, copying: list[Any]
) -> None:
    """A new connection would only have all of them delivered, and run, again."""
    stall = StallWatch(settler.consumer, 1.0)
    for number in range(MOST + 1):
        settler.waiting.jobs[number] = job()
    stall.look()
    assert not copying

    settler.waiting.jobs.popitem()
    stall.look()
    assert copying, "with as many as may wait, messages should come"

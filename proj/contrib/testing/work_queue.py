"""What a test asks of the work queue, and what it is told where the answer is no."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from proj.contrib.testing.draining import drain
from proj.contrib.testing.enqueued import Enqueued, enqueued_in
from proj.dead_letters import DeadLetter, Reason, Selection, browse

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["WorkQueue"]

MOST_LETTERS = 1_000


class WorkQueue:
    """The work queue of ``app`` during one test: the fixture ``work_queue``."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._expected: list[Selection] = []
        with self._channel() as channel:
            # As a worker does when it starts, so that every queue can be looked at.
            for queue in app.amqp.queues.values():
                queue(channel).declare()

    def drain(self, *, delayed: bool = False, at_most: int = 1_000) -> int:
        """Run what was enqueued, and what that enqueues; return the number of deliveries.

        A real worker takes it, in this process and thread: through serialisation, retries and
        dead-lettering. With ``delayed``, what is not due yet runs too, in the order in which it is
        due, without waiting. Raises ``AssertionError`` after ``at_most`` deliveries.
        """
        with self._channel() as channel:
            return drain(self.app, lambda: delayed and channel.bring_forward(), at_most=at_most)

    @property
    def enqueued(self) -> list[Enqueued]:
        """The tasks that wait now in the app's queues, the delayed ones last."""
        with self._channel() as channel:
            return [
                each
                for delayed in (False, True)
                for queue in self.app.amqp.queues
                for each in enqueued_in(channel, queue, self.app, delayed=delayed)
            ]

    def assert_enqueued(self, task: Any, **given: Any) -> Enqueued:
        """Return the first waiting task that fits; raises ``AssertionError`` without one.

        ``task``: a task or its name. ``given``, each compared if it is there: ``args``, ``kwargs``,
        ``queue`` (its name), ``countdown`` (seconds, one more or less).
        """
        __tracebackhide__ = True
        if unknown := given.keys() - {"args", "kwargs", "queue", "countdown"}:
            raise TypeError(f"assert_enqueued() compares nothing named {', '.join(unknown)}")
        given["task"] = getattr(task, "name", task)
        waiting = self.enqueued
        for each in waiting:
            if each.fits(given):
                return each
        found = "".join(f"\n  {each}" for each in waiting) or " nothing."
        raise AssertionError(f"Not enqueued: {given}. Enqueued:{found}")

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The dead letters, newest first, as :func:`proj.dead_letters.browse` shows them."""
        return browse(self.app, limit=MOST_LETTERS).letters

    def expect_dead_letter(
        self, task: Any = None, *, reason: str | None = None, text: str | None = None
    ) -> None:
        """Say that one dead letter is meant to be there when the test ends.

        ``reason``: such as ``"failed"``; ``text``: found in its id, task or error.
        """
        name = getattr(task, "name", task)
        why = None if reason is None else Reason(reason)
        self._expected.append(Selection(reason=why, task=name, text=text))

    def verify(self) -> None:
        """Fail the test for a dead letter that it did not expect, or that did not come."""
        unexpected, problems = self.dead_letters, []
        for expected in self._expected:
            letter = next((each for each in unexpected if expected.fits(each)), None)
            if letter:
                unexpected.remove(letter)
            else:
                problems.append(f"Expected, and not there: a dead letter with {_told(expected)}")
        for letter in unexpected:
            told = letter.letter
            problems.append(
                f"Unexpected dead letter: {_told(told)}, {told.error.exception}: "
                f"{told.error.message}\n"
                "(A test that means it calls work_queue.expect_dead_letter(task).)"
            )
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with self.app.connection_for_read() as connection:
            yield connection.default_channel


def _told(entry: Any) -> str:
    """Return task and reason of a letter or of a selection."""
    return f"task={entry.task!r}, reason={entry.reason and entry.reason.value!r}"

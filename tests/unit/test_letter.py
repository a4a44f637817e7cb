"""A dead letter reads alike, whoever wrote it: a worker of ours, or the broker."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest

from proj.dead_letters.letter import ErrorDetails, headers_of, read
from proj.dead_letters.reasons import Reason


def test_what_a_worker_writes_is_what_a_reader_gets() -> None:
    """Reason, queue, task, error, attempts, place and time survive the round through headers."""
    error = ErrorDetails("ValueError", "no", "Traceback ...")

    letter = read(headers_of(Reason.FAILED, queue="q", task="t", attempts=2, error=error))

    assert (letter.reason, letter.queue, letter.task) == (Reason.FAILED, "q", "t")
    assert (letter.error, letter.attempts, letter.process_id) == (error, 2, os.getpid())
    assert letter.when is not None
    assert abs(letter.when - datetime.now(timezone.utc)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("expired", Reason.EXPIRED),
        ("maxlen", Reason.QUEUE_FULL),
        ("delivery_limit", Reason.ATTEMPTS_EXHAUSTED),
        ("rejected", Reason.REJECTED),
        ("something new", Reason.REJECTED),
    ],
)
def test_what_the_broker_dead_letters_has_a_reason_queue_and_time(
    told: str, reason: Reason
) -> None:
    """The latest entry of ``x-death`` stands first."""
    time = datetime(2026, 11, 24, 12, tzinfo=timezone.utc).replace(tzinfo=None)
    death = {"reason": told, "queue": "task_queue", "time": time, "count": 1}

    letter = read({"task": "note", "x-death": [death, {"reason": "rejected", "queue": "older"}]})

    assert (letter.reason, letter.queue, letter.task) == (reason, "task_queue", "note")
    assert letter.when == datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
    assert letter.attempts is None


def test_headers_that_nobody_of_us_wrote_do_not_break_the_reader() -> None:
    """Whatever lies in the queue can be shown."""
    letter = read(
        {
            "x-dead-letter-reason": ["odd"],
            "x-dead-letter-when": 7,
            "x-attempts": "x",
            "x-death": "y",
            "task": [],
        }
    )

    assert letter.reason is Reason.REJECTED
    assert letter.when is None
    assert letter.attempts is None


def test_a_time_without_a_zone_is_utc() -> None:
    """Times with and without one could not be compared: one such letter would break every list."""
    letter = read({"x-dead-letter-when": "2026-11-24T12:00:00"})

    assert letter.when == datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


def test_texts_are_bounded_and_of_a_traceback_the_end_is_kept() -> None:
    """All headers must fit into one frame with the original's, whatever the error says."""
    error = ErrorDetails("E" * 999, "é" * 99_999, "start" + "x" * 99_999 + "the end")

    headers = headers_of(Reason.FAILED, queue="q", task="t" * 999, attempts=1, error=error)

    assert sum(len(str(value).encode()) for value in headers.values()) < 20_000
    traceback = str(headers["x-dead-letter-traceback"])
    assert traceback.startswith("[...]")
    assert traceback.endswith("the end")


def test_an_error_that_cannot_be_shown_is_still_told() -> None:
    """An exception whose own text raises does not cost the letter."""

    class Unshowable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    details = ErrorDetails.of(Unshowable())

    assert details.exception.endswith("Unshowable")
    assert details.message == "(its message cannot be shown)"
    assert ErrorDetails.of(ValueError("\ud800")).message == "\ud800"
    assert ErrorDetails.of(None) == ErrorDetails()

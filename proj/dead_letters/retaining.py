"""Removes the oldest dead letters beyond an age and a number: alike on every broker.

The time of death decides, not the place: what is given back to a quorum queue without a delivery
limit stands behind the others on RabbitMQ 3.10, and in its place on 4.3. A letter goes by number
only while so many younger ones are held here, whoever else looks or removes.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from datetime import datetime, timezone

from celery import Celery

from proj.dead_letters.browsing import LONG_AGO, without_texts
from proj.dead_letters.entry import DeadLetter
from proj.dead_letters.taking import holding

__all__ = ["remove_old"]

REST_FACTOR = 100
"""A look holds all letters: for so many times as long, none is asked for by age."""


def remove_old(
    app: Celery,
    *,
    keep_seconds: float | None,
    keep_count: int | None,
    at_most: int,
    on_removed: Callable[[DeadLetter], None],
) -> float | None:
    """Remove up to ``at_most`` letters that are too old or too many; tell each to ``on_removed``.

    Returns in how many seconds to look again for one that is too old, None if nobody knows. A
    letter of unknown time counts as the oldest, and is removed by number only. Raises as
    :func:`proj.dead_letters.browse`.
    """
    began = time.monotonic()
    with holding(app) as held:
        if keep_seconds is None and held.count <= (keep_count or 0):
            return None
        letters = ((tag, without_texts(entry)) for tag, entry in held)
        oldest = heapq.nsmallest(at_most + 1, letters, key=lambda each: _died(each[1]))
        too_many = 0 if keep_count is None else len(held) - keep_count
        rest = REST_FACTOR * (time.monotonic() - began)
        for number, (tag, entry) in enumerate(oldest):
            left = _seconds_left(entry, keep_seconds)
            if number < too_many or (left is not None and left <= 0):
                if number == at_most:
                    return 0.0
                held.remove(tag)
                on_removed(entry)
            elif left is not None:
                # Those that follow are younger.
                return max(left, rest)
    return None


def _died(entry: DeadLetter) -> datetime:
    return entry.letter.when or LONG_AGO


def _seconds_left(entry: DeadLetter, keep_seconds: float | None) -> float | None:
    when = entry.letter.when
    if when is None or keep_seconds is None:
        return None
    # In seconds: near the year 9999, which a header may name, a later time would overflow.
    return (when - datetime.now(timezone.utc)).total_seconds() + keep_seconds

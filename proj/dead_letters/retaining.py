"""Removes the oldest dead letters beyond an age and a number: alike on every broker.

Several may do so at once: a letter goes only while enough others are ready behind it, and those
that somebody holds do not count. One that is given back at that very moment counts, although it is
older: then it stays in the place of one that is newer by a few. As many stay as should.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from proj.dead_letters.entry import DeadLetter
from proj.dead_letters.taking import holding

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["remove_old"]


def remove_old(
    app: Celery,
    *,
    keep_seconds: float | None,
    keep_count: int | None,
    at_most: int,
    on_removed: Callable[[DeadLetter], None],
) -> float | None:
    """Remove up to ``at_most`` letters that are too old or too many; tell each to ``on_removed``.

    Returns in how many seconds the oldest one that stays is too old, None if nobody knows. A letter
    of unknown time is removed by number only. Raises as :func:`proj.dead_letters.browse`.
    """
    removed = 0
    with holding(app, slowly=True) as held:
        if keep_seconds is None and held.count <= (keep_count or 0):
            return None
        for tag, entry in held:
            too_many = keep_count is not None and held.ready_behind() >= keep_count
            left = _seconds_left(entry, keep_seconds)
            if not too_many and (left is None or left > 0):
                if left is not None or keep_seconds is None:
                    # Those behind it are younger.
                    return left
                continue
            held.remove(tag)
            on_removed(entry)
            removed += 1
            if removed >= at_most:
                return 0.0
    return None


def _seconds_left(entry: DeadLetter, keep_seconds: float | None) -> float | None:
    when = entry.letter.when
    if when is None or keep_seconds is None:
        return None
    # In seconds: near the year 9999, which a header may name, a later time would overflow.
    return (when - datetime.now(timezone.utc)).total_seconds() + keep_seconds

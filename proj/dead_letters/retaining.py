"""Removes the oldest dead letters beyond an age and a number: alike on every broker.

Of several that would, one does so at a time: a letter that another gave back at that very moment
would count as one behind, although it is older. A letter goes only while enough others are ready
behind it; those that somebody looks at do not count.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from amqp.exceptions import ResourceLocked

from proj.dead_letters.entry import DeadLetter
from proj.dead_letters.taking import holding

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["remove_old"]

LONGEST_OF_NAME = 59
"""So many characters of four bytes, and the prefix, fit into AMQP's 255 bytes."""


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
    of unknown time is removed by number only. Where another removes now, nothing is done. Raises as
    :func:`proj.dead_letters.browse`.
    """
    removed = 0
    with holding(app, slowly=True) as held:
        if not _is_alone(held.channel, held.queue):
            return None
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


def _is_alone(channel: Any, queue: str) -> bool:
    """Return whether nobody else removes letters of ``queue``, until this connection ends."""
    # A queue that is exclusive to a connection is what AMQP has for a lock. As the queues in which
    # workers take events: least permissions name celeryev.*
    lock = f"celeryev.retention.{queue[:LONGEST_OF_NAME]}"
    arguments = {"x-queue-type": "classic"}  # no other type is exclusive
    try:
        channel.connection.client.channel().queue_declare(lock, exclusive=True, arguments=arguments)
    except ResourceLocked:
        return False
    return True


def _seconds_left(entry: DeadLetter, keep_seconds: float | None) -> float | None:
    when = entry.letter.when
    if when is None or keep_seconds is None:
        return None
    # In seconds: near the year 9999, which a header may name, a later time would overflow.
    return (when - datetime.now(timezone.utc)).total_seconds() + keep_seconds

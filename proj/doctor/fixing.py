"""Declares and binds what is missing; what exists is never altered."""

from __future__ import annotations

from contextlib import suppress

from celery import Celery

from proj.doctor.examined import Examined
from proj.doctor.live.queue import queue_missing
from proj.doctor.live.reached import Reached, reach
from proj.doctor.live.route import delays_undeclared
from proj.errors import WorkQueueError
from proj.topology import declaring, delays

__all__ = ["fix"]


def fix(app: Celery) -> list[str]:
    """Declare what is missing on the broker; return its names.

    What keeps it from being declared is a finding of :func:`proj.doctor.examining.examine`.
    """
    examined = Examined(app)
    if not examined.is_supported:
        return []
    connection = app.connection_for_write()
    errors = (WorkQueueError, *connection.connection_errors, *connection.channel_errors)
    with suppress(*errors), reach(examined) as reached:
        before = _missing(reached)
        with suppress(*errors):
            declaring.declare(reached.connection, examined.settings)
            if examined.publishes_through_us:
                delays.declare(reached.connection, examined.settings)
        after = _missing(reached)
        return [name for name in before if name not in after]
    return []


def _missing(reached: Reached) -> list[str]:
    return queue_missing(reached) + delays_undeclared(reached)

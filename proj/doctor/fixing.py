"""Declares and binds what is missing; what exists is never altered."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from proj.doctor.examined import Examined
from proj.doctor.live.queue import queue_missing
from proj.doctor.live.reached import reach
from proj.doctor.live.route import delays_undeclared
from proj.errors import WorkQueueError
from proj.topology import declaring, delays

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["fix"]


def fix(app: Celery) -> list[str]:
    """Declare what is missing on the broker; return its names.

    Raises what Kombu and py-amqp raise where the broker does not answer.
    """
    examined = Examined(app)
    with reach(examined) as reached:
        missing = queue_missing(reached) + delays_undeclared(reached)
        # A queue that is another than described is a finding of its own.
        with suppress(WorkQueueError):
            declaring.declare(reached.connection, examined.settings)
            if examined.publishes_through_us:
                delays.declare(reached.connection, examined.settings)
        still = queue_missing(reached) + delays_undeclared(reached)
    return [name for name in missing if name not in still]

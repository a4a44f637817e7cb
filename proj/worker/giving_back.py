"""Gives back to the queue what a worker that stops does not finish."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from celery.utils.log import get_logger
from celery.worker import state

__all__ = ["end_process", "give_back_all", "give_back_unbegun"]

logger = get_logger(__name__)


def give_back_unbegun(settler: Any) -> None:
    """Give back what waits here for its time or its rate limit, and has no process yet."""
    for request in list(settler.unsettled):
        if request not in state.reserved_requests and request not in state.active_requests:
            request.give_back()


def give_back_all(settler: Any, pool: Any) -> None:
    """End the processes of unfinished tasks, and give their messages back."""
    requests = list(settler.unsettled)
    if requests:
        logger.warning("Stopping: %d unfinished task(s) go back to the queue.", len(requests))
    for request in requests:
        # The process first: its task must not go on beside the one that is begun elsewhere.
        end_process(request, pool)
        request.give_back()


def end_process(request: Any, pool: Any) -> None:
    """End the process that runs ``request``, if it has one of its own."""
    process_id = request.worker_pid
    if process_id and process_id != os.getpid() and pool is not None:
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)

"""Tells from what the pool reports how a delivery ended."""

from __future__ import annotations

from typing import Any

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import (
    Ignore,
    Reject,
    Retry,
    SoftTimeLimitExceeded,
    Terminated,
    TimeLimitExceeded,
    WorkerLostError,
)
from celery.utils.serialization import get_pickled_exception

from proj.dead_letters.letter import ErrorDetails
from proj.dead_letters.reasons import Reason
from proj.errors import WorkQueueError
from proj.settlement.outcome import DONE, Outcome, failed, try_again

__all__ = ["error_of", "outcome_of"]

PROCESS_LOST = (WorkerLostError, SystemExit, KeyboardInterrupt)


def error_of(exc_info: Any) -> BaseException:
    """Return the exception that ``exc_info`` (billiard's) carries, as it was raised."""
    error = exc_info.exception
    if isinstance(error, ExceptionWithTraceback):
        error = error.exc
    error = get_pickled_exception(error)
    return error if isinstance(error, BaseException) else RuntimeError(repr(error))


def outcome_of(request: Any, error: BaseException, traceback: str) -> Outcome:
    """Return how the delivery of ``request`` ended when its process reported ``error``."""
    if isinstance(error, (Terminated, Retry, Ignore)):
        return DONE
    details = ErrorDetails.of(error, traceback)
    if _asks_for_another_try(request, error):
        return try_again(details)
    return failed(_reason(request, error), details)


def _asks_for_another_try(request: Any, error: BaseException) -> bool:
    if isinstance(error, Reject):
        # Celery rejects a task for good whose retry() could not be published. Ours does not, and a
        # team's own task class is treated alike here.
        return bool(error.requeue) or isinstance(error.reason, WorkQueueError)
    task = request.task
    return isinstance(error, PROCESS_LOST) and task.acks_late and task.reject_on_worker_lost


def _reason(request: Any, error: BaseException) -> Reason:
    if isinstance(error, Reject):
        return Reason.REJECTED
    if isinstance(error, (TimeLimitExceeded, SoftTimeLimitExceeded)):
        return Reason.TIME_LIMIT
    if isinstance(error, TypeError) and not _arguments_fit(request):
        return Reason.INVALID_ARGUMENTS
    return Reason.FAILED


def _arguments_fit(request: Any) -> bool:
    """Return whether the arguments bind to the task; asked after a TypeError only, for its cost."""
    header = getattr(request.task, "__header__", None)
    try:
        if header is not None:
            header(*request.args, **request.kwargs)
    except TypeError:
        return False
    return True

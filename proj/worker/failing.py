"""Records a failure that Celery itself does not record: result backend, errbacks, signal, event."""

from __future__ import annotations

from typing import Any

from billiard.einfo import ExceptionInfo
from celery import signals
from celery.exceptions import WorkerLostError
from kombu.utils.encoding import safe_repr

from proj.worker.outcomes import error_of

__all__ = ["raised", "record_failure"]


def raised(error: Exception) -> ExceptionInfo:
    """Return ``error`` as if it had just been raised in the pool."""
    try:
        raise error
    except type(error):
        return ExceptionInfo()


def record_failure(request: Any, exc_info: Any) -> None:
    """Record ``exc_info`` as the FAILURE of ``request``, in Celery's order.

    What the result backend raises goes through; signals and events have then not been sent.
    """
    if isinstance(error_of(exc_info), (SystemExit, KeyboardInterrupt)):
        # Celery's own word for a process that left in mid-task; no backend stores a SystemExit.
        exc_info = raised(WorkerLostError(f"Worker exited prematurely: {error_of(exc_info)!r}"))
    error = error_of(exc_info)
    request.task.backend.mark_as_failure(
        request.id,
        error,
        request=request._context,  # noqa: SLF001 - as Celery's own request calls it
        store_result=request.store_errors,
    )
    signals.task_failure.send(
        sender=request.task,
        task_id=request.id,
        exception=error,
        args=request.args,
        kwargs=request.kwargs,
        traceback=exc_info.traceback,
        einfo=exc_info,
    )
    request.send_event("task-failed", exception=safe_repr(error), traceback=str(exc_info.traceback))

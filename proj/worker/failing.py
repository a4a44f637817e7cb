"""Records a failure that Celery itself does not record: result backend, errbacks, signal, event."""

from __future__ import annotations

from typing import Any

from celery import signals
from kombu.utils.encoding import safe_repr

__all__ = ["record_failure"]


def record_failure(request: Any, exc_info: Any) -> None:
    """Record ``exc_info`` as the FAILURE of ``request``, in Celery's order.

    What the result backend raises goes through; signals and events have then not been sent.
    """
    error = exc_info.exception
    error = getattr(error, "exc", error)
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

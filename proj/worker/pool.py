"""Keeps the pool's processes free: a task that cannot be handed over must not hold one for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.state import task_ready

__all__ = ["keep_processes_free"]


def keep_processes_free(controller: Any, give_up: Callable[[Any, Exception], None]) -> None:
    """Let ``give_up`` have each request that ``controller`` (Celery's worker) cannot hand over.

    A task nested too deeply to be pickled, or with a time limit that is no number, raises after
    the semaphore has counted a process as taken.
    """
    process_task = controller._process_task  # noqa: SLF001 - Celery has no hook at this place

    def process_or_give_up(request: Any) -> None:
        try:
            process_task(request)
        except Exception as error:  # noqa: BLE001 - whatever one message brings about
            _forget(controller, request)
            give_up(request, error)

    controller._process_task = process_or_give_up  # noqa: SLF001 - as above


def _forget(controller: Any, request: Any) -> None:
    task_ready(request)
    release = getattr(controller, "_quick_release", None)
    if release is not None:
        release()
    pool = getattr(controller.pool, "_pool", None)
    for job in list(getattr(pool, "_cache", {}).values()):
        if getattr(job, "correlation_id", None) == request.id:
            job.discard()

"""Which pools can keep the promise, and how their processes stay free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.concurrency import prefork
from celery.exceptions import WorkerShutdown, WorkerTerminate
from celery.worker.state import task_ready
from kombu.utils.compat import detect_environment

from proj.errors import SettingsError

__all__ = ["keep_processes_free", "processes_of", "refuse_greenlets", "tell_every_end"]


def refuse_greenlets() -> None:
    """Raise :class:`proj.errors.SettingsError` in a worker of gevent or eventlet.

    Celery has no event loop there, and its greenlets share the connection of acknowledgements and
    copies: one reads what another waits for, so a dead letter took seconds or was never made.
    """
    environment = detect_environment()
    if environment != "default":
        raise SettingsError(
            [f"  worker_pool (-P): expected prefork, threads or solo, found {environment!r}"]
        )


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


def processes_of(pool: Any) -> list[Any]:
    """Return the processes of Celery's ``pool``; other pools than prefork have none."""
    return list(getattr(getattr(pool, "_pool", None), "_pool", ()))


def tell_every_end(pool: Any) -> None:
    """Let Celery's ``pool`` tell a request how its task ended, whatever the task raised.

    Without processes, ``SystemExit`` and its like reach the callback of a success, which raises in
    turn: a message of ``-P threads`` was never settled, and its thread never free again.
    """
    if isinstance(pool, prefork.TaskPool):
        return
    apply = pool.on_apply

    def on_apply(
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        *,
        error_callback: Any = None,
        **options: Any,
    ) -> Any:
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                ended = target(*args, **kwargs)
            except (WorkerShutdown, WorkerTerminate):
                raise
            except BaseException:
                if error_callback is None:
                    raise
                error_callback(ExceptionInfo())
            else:
                callback(ended)

        return apply(run, args, kwargs, _do_nothing, accept_callback, **options)

    pool.on_apply = on_apply


def _do_nothing(_: None) -> None:
    """Take the result of a call that has told it already."""


def _forget(controller: Any, request: Any) -> None:
    task_ready(request)
    release = getattr(controller, "_quick_release", None)
    if release is not None:
        release()
    pool = getattr(controller.pool, "_pool", None)
    for job in list(getattr(pool, "_cache", {}).values()):
        if getattr(job, "correlation_id", None) == request.id:
            job.discard()

"""When a message leaves the queue."""

from __future__ import annotations

from operator import not_
from typing import Any

from proj.doctor.examined import Examined
from proj.doctor.finding import listed
from proj.settings import task_option


def early_acknowledgement(examined: Examined) -> str | None:
    return examined.where("acks_late", "task_acks_late", not_)


def lost_process_acknowledged(examined: Examined) -> str | None:
    # The plug-in's consumer does not look at Celery's own retry_on_worker_lost.
    retries = not examined.where("retry_on_worker_lost", "task_retry_on_worker_lost", not_)
    if retries and not examined.consumes_through_us:
        return None
    return examined.where("reject_on_worker_lost", "task_reject_on_worker_lost", not_)


def failures_rejected(examined: Examined) -> str | None:
    return None if examined.consumes_through_us else _off(examined, "failure")


def timeouts_requeued(examined: Examined) -> str | None:
    return None if examined.consumes_through_us else _off(examined, "timeout")


def acknowledgement_settings_unused(examined: Examined) -> str | None:
    off = [_off(examined, "failure"), _off(examined, "timeout")]
    return "; ".join(filter(None, off)) if examined.consumes_through_us else None


def failures_not_kept(examined: Examined) -> str | None:
    by_default = examined.settings.dead_letter_failures
    own = {name: task_option(task, "dead_letter_failures") for name, task in examined.tasks.items()}
    dropped = [name for name, keeps in own.items() if not (by_default if keeps is None else keeps)]
    return listed(dropped) or (None if by_default or own else "every task")


def plug_in_missing(examined: Examined) -> str | None:
    if examined.consumes_through_us:
        return None
    return f"worker_consumer = {examined.conf.worker_consumer!r}"


def _off(examined: Examined, ending: str) -> str | None:
    """Return where ``acks_on_<ending>`` is off, by itself or by the setting for both endings."""
    names = (f"acks_on_{ending}", "acks_on_failure_or_timeout")

    def is_off(owner: Any, prefix: str = "") -> bool:
        values = [getattr(owner, prefix + name, None) for name in names]
        return next((value for value in values if value is not None), True) is False

    tasks = [name for name, task in examined.tasks.items() if is_off(task)]
    if is_off(examined.conf, "task_") and (tasks or not examined.tasks):
        return f"task_{names[0]} (or task_{names[1]}) = False"
    return f"{names[0]} = False of {listed(tasks)}" if tasks else None

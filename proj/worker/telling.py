"""Answers ``workqueue status``: what each process of a worker does, and what the worker took."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from celery.worker import state as worker_state
from celery.worker.control import inspect_command

from proj.settlement.attempts import begun_before
from proj.worker.pool import processes_of

__all__ = ["work_queue_status"]


@inspect_command(visible=False)
def work_queue_status(state: Any) -> dict[str, Any]:
    """Return what this worker does for its work queue; the keys are those of ``status --json``."""
    consumer = state.consumer
    settler = getattr(consumer, "settler", None)
    if settler is None:
        return {"error": "a worker without the plug-in"}
    queue_of, name = consumer.subscription.queue_of, settler.settings.name
    return {
        "queue": name,
        "consuming": name in consumer.subscription.queues(),
        "paused": consumer.pausing.lasting is not None,
        "in_work": sum(queue_of(each.message) == name for each in settler.unsettled),
        "taken": consumer.receiver.taken,
        "dead_letters_removed": consumer.retention.removed,
        "kept": len(settler.waiting.jobs),
        "processes": _processes(consumer),
    }


def _processes(consumer: Any) -> list[dict[str, Any]]:
    busy = [
        {
            "pid": request.worker_pid,
            "task": request.name,
            "id": request.id,
            "since": datetime.fromtimestamp(request.time_start, timezone.utc).isoformat(),
            "attempt": _attempt(consumer, request),
            "attempts_limit": consumer.settler.limits(request.name).attempts,
        }
        for request in list(worker_state.active_requests)
        if request.time_start is not None
    ]
    pids = [each.pid for each in processes_of(consumer.pool)]
    idle = [pid for pid in pids if pid not in {each["pid"] for each in busy}]
    # Other pools than prefork have no processes to be told apart.
    idle = idle or [None] * (0 if pids else max(0, consumer.pool.num_processes - len(busy)))
    nothing = dict.fromkeys(("task", "id", "since", "attempt", "attempts_limit"))
    return [*busy, *({"pid": pid, **nothing} for pid in idle)]


def _attempt(consumer: Any, request: Any) -> int:
    delivery = consumer.settler.delivery(request.message, request.name)
    return begun_before(delivery.headers, redelivered=delivery.redelivered) + 1

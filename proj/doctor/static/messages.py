"""Whether the broker holds what was published, and when a message leaves the queue."""

from __future__ import annotations

from operator import not_
from typing import Any

from proj.doctor.examined import Examined
from proj.doctor.finding import Facts, listed
from proj.settings import task_option

__all__ = ["acknowledging", "publishing"]

TRANSIENT = (1, "1", "transient")


def acknowledging(examined: Examined) -> Facts:
    """When a message leaves the queue."""
    ours = examined.consumes_through_us
    failure, timeout = _off(examined, "failure"), _off(examined, "timeout")
    yield "early-acknowledgement", examined.where("acks_late", "task_acks_late", not_)
    lost = examined.where("reject_on_worker_lost", "task_reject_on_worker_lost", not_)
    # Celery's own retry_on_worker_lost, at which the plug-in's consumer does not look.
    dropped = ours or examined.where("retry_on_worker_lost", "task_retry_on_worker_lost", not_)
    yield "lost-process-acknowledged", dropped and lost
    yield "failures-rejected", not ours and failure
    yield "timeouts-requeued", not ours and timeout
    yield "acknowledgement-settings-unused", ours and "; ".join(filter(None, (failure, timeout)))
    keeps = examined.settings.dead_letter_failures
    own = {name: task_option(task, "dead_letter_failures") for name, task in examined.tasks.items()}
    forgets = [name for name, value in own.items() if not (keeps if value is None else value)]
    yield "failures-not-kept", listed(forgets) or (not keeps and not own and "every task")
    yield "plug-in-missing", not ours and f"worker_consumer = {examined.conf.worker_consumer!r}"


def publishing(examined: Examined) -> Facts:
    """Whether the broker holds what was published."""
    ours, is_rabbitmq = examined.publishes_through_us, examined.is_rabbitmq
    options = examined.conf.broker_transport_options or {}
    is_unconfirmed = is_rabbitmq and not ours and not options.get("confirm_publish")
    yield "confirms-off", is_unconfirmed and "broker_transport_options has no confirm_publish"
    tasks = examined.tasks.items()
    own = listed([name for name, task in tasks if getattr(task, "mandatory", None) is False])
    yield "mandatory-off", own if ours else is_rabbitmq and "every task"
    transient = [
        examined.where(
            "delivery_mode", "task_default_delivery_mode", lambda mode: mode in TRANSIENT
        )
    ]
    for name, queue in examined.app.amqp.queues.items():
        if not queue.durable:
            transient.append(f"queue {name!r} is not durable")
        elif queue.exchange and queue.exchange.delivery_mode in TRANSIENT:
            transient.append(f"exchange {queue.exchange.name!r} has delivery_mode 1")
    yield "transient-messages", listed([each for each in transient if each])
    yield "always-eager", examined.conf.task_always_eager and "task_always_eager = True"


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

"""Whether the broker holds what was published."""

from __future__ import annotations

from proj.doctor.examined import Examined
from proj.doctor.finding import listed

TRANSIENT = (1, "1", "transient")


def confirms_off(examined: Examined) -> str | None:
    options = examined.conf.broker_transport_options or {}
    confirmed = examined.publishes_through_us or options.get("confirm_publish")
    if confirmed or not examined.is_rabbitmq:
        return None
    return "broker_transport_options has no confirm_publish"


def mandatory_off(examined: Examined) -> str | None:
    if not examined.publishes_through_us:
        return "every task" if examined.is_rabbitmq else None
    tasks = examined.tasks.items()
    return listed([name for name, task in tasks if getattr(task, "mandatory", None) is False])


def transient_messages(examined: Examined) -> str | None:
    by_task = examined.where(
        "delivery_mode", "task_default_delivery_mode", lambda mode: mode in TRANSIENT
    )
    found = [by_task] if by_task else []
    for name, queue in examined.app.amqp.queues.items():
        if not queue.durable:
            found.append(f"queue {name!r} is not durable")
        elif queue.exchange and queue.exchange.delivery_mode in TRANSIENT:
            found.append(f"exchange {queue.exchange.name!r} has delivery_mode 1")
    return listed(found)


def always_eager(examined: Examined) -> str | None:
    return "task_always_eager = True" if examined.conf.task_always_eager else None

"""Which broker and queues, and what they do not do."""

from __future__ import annotations

from celery.utils.quorum_queues import detect_quorum_queues

from proj.doctor.examined import Examined
from proj.doctor.finding import listed

PRIORITIES_SINCE = (4, 0)
"""The first release whose quorum queues know priorities."""


def broker_not_supported(examined: Examined) -> str | None:
    supported = examined.is_rabbitmq or examined.is_embedded
    return None if supported else repr(examined.transport)


def auto_created_queues(examined: Examined) -> str | None:
    creates = examined.conf.task_create_missing_queues
    return "task_create_missing_queues = True" if creates else None


def priorities_ignored(examined: Examined) -> str | None:
    used = examined.where("priority", "task_default_priority", lambda each: each is not None)
    release = examined.version or PRIORITIES_SINCE
    found = []
    for name, queue in examined.app.amqp.queues.items():
        kind = examined.queue_type(queue)
        arguments = queue.queue_arguments or {}
        most = arguments.get("x-max-priority") or queue.max_priority
        if kind == "quorum" and most:
            found.append(f"quorum queue {name!r} has a maximum priority, and knows none")
        elif used and kind == "quorum" and release < PRIORITIES_SINCE:
            found.append(f"{used}: quorum queue {name!r} knows priorities from RabbitMQ 4.0 on")
        elif used and kind == "classic" and not most:
            found.append(f"{used}: classic queue {name!r} has no maximum priority")
    return listed(found) if examined.is_rabbitmq else None


def visibility_timeout_stray(examined: Examined) -> str | None:
    options = examined.conf.broker_transport_options or {}
    stray = "visibility_timeout" in options and not broker_not_supported(examined)
    return repr(options["visibility_timeout"]) if stray else None


def delays_in_memory(examined: Examined) -> str | None:
    if examined.publishes_through_us:
        return broker_not_supported(examined)
    # Celery's own delayed delivery, which needs a quorum queue and an exchange other than direct.
    exchange = examined.app.amqp.default_queue.exchange.type
    has_quorum, _ = detect_quorum_queues(examined.app, "amqp" if examined.is_rabbitmq else "")
    return None if has_quorum and exchange != "direct" else f"{exchange} exchange, no plug-in"

"""Which broker and queues, what they do not do, and how much a worker holds for how long."""

from __future__ import annotations

from operator import not_
from typing import Any

from celery.utils.quorum_queues import detect_quorum_queues

from proj.doctor.examined import Examined
from proj.doctor.finding import Facts, listed
from proj.topology.queue import WorkQueue

__all__ = ["limits", "queues"]

PRIORITIES_SINCE = (4, 0)
"""The first release whose quorum queues know priorities."""

CONSUMER_TIMEOUT_SECONDS = 1_800
"""RabbitMQ's default: https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout"""

ASKED_FOR_SINCE = (4, 3)
"""From this release on, quorum queues wait as long as a worker asks, classic ones for ever."""


def queues(examined: Examined) -> Facts:
    """Which broker and which queues."""
    conf, transport = examined.conf, repr(examined.transport)
    yield "broker-not-supported", not examined.is_supported and transport
    creates = conf.task_create_missing_queues
    yield "auto-created-queues", creates and "task_create_missing_queues = True"
    yield "priorities-ignored", examined.is_rabbitmq and listed(_without_priorities(examined))
    options = conf.broker_transport_options or {}
    is_stray = examined.is_supported and "visibility_timeout" in options
    yield "visibility-timeout-stray", is_stray and repr(options["visibility_timeout"])
    if examined.publishes_through_us:
        yield "delays-in-memory", not examined.is_supported and transport
    else:
        # Celery's own delayed delivery needs a quorum queue and an exchange other than direct.
        exchange = examined.app.amqp.default_queue.exchange.type
        has_quorum, _ = detect_quorum_queues(examined.app, "amqp" if examined.is_rabbitmq else "")
        in_memory = not has_quorum or exchange == "direct"
        yield "delays-in-memory", in_memory and f"{exchange} exchange, no plug-in"


def limits(examined: Examined) -> Facts:
    """How many messages a worker holds, for how long, and whether it comes back to its broker."""
    conf, multiplier = examined.conf, examined.conf.worker_prefetch_multiplier
    yield "prefetch-above-one", multiplier != 1 and str(multiplier)
    rate = examined.where("rate_limit", "task_default_rate_limit", bool)
    yield "rate-limit-holds-process", multiplier == 1 and rate
    heartbeat = conf.broker_heartbeat
    yield "heartbeat-off", examined.is_rabbitmq and not heartbeat and repr(heartbeat)
    ends = {
        "broker_connection_retry": not conf.broker_connection_retry,
        "broker_connection_retry_on_startup": conf.broker_connection_retry_on_startup is False,
        "broker_connection_max_retries": bool(conf.broker_connection_max_retries),
    }
    wrong = [f"{name} = {getattr(conf, name)!r}" for name, is_wrong in ends.items() if is_wrong]
    yield "worker-gives-up", listed(wrong)
    yield "time-limit-missing", examined.where("time_limit", "task_time_limit", not_)
    own = {name: task.time_limit for name, task in examined.tasks.items()}
    seconds = (own or {"every task": conf.task_time_limit}).items()
    beyond = [f"{name} ({s:g} s)" for name, s in seconds if s and s > CONSUMER_TIMEOUT_SECONDS]
    asks = examined.consumes_through_us and examined.version >= ASKED_FOR_SINCE
    is_ended = examined.is_rabbitmq and not asks
    yield "time-limit-beyond-consumer-timeout", is_ended and listed(beyond)


def _without_priorities(examined: Examined) -> list[str]:
    used = examined.where("priority", "task_default_priority", lambda each: each is not None)
    release = examined.version or PRIORITIES_SINCE
    found = []
    for name, queue in examined.app.amqp.queues.items():
        kind, arguments = _type_of(examined, queue), queue.queue_arguments or {}
        most = arguments.get("x-max-priority") or queue.max_priority
        if kind == "quorum" and most:
            found.append(f"quorum queue {name!r} has a maximum priority, and knows none")
        elif used and kind == "quorum" and release < PRIORITIES_SINCE:
            found.append(f"{used}: quorum queue {name!r} knows priorities from RabbitMQ 4.0 on")
        elif used and kind == "classic" and not most:
            found.append(f"{used}: classic queue {name!r} has no maximum priority")
    return found


def _type_of(examined: Examined, queue: Any) -> str | None:
    """Return the type of ``queue`` (Kombu's); None where the broker decides it."""
    if isinstance(queue, WorkQueue):
        return examined.settings.type if examined.settings.ownership == "arguments" else None
    return str((queue.queue_arguments or {}).get("x-queue-type", "classic"))

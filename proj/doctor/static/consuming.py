"""How many messages a worker holds, for how long, and whether it comes back to its broker."""

from __future__ import annotations

from operator import not_

from proj.doctor.examined import Examined
from proj.doctor.finding import listed

CONSUMER_TIMEOUT_SECONDS = 1_800
"""RabbitMQ's default: https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout"""

ASKED_FOR_SINCE = (4, 3)
"""From this release on, quorum queues wait as long as a worker asks, classic ones for ever."""


def prefetch_above_one(examined: Examined) -> str | None:
    multiplier = examined.conf.worker_prefetch_multiplier
    return None if multiplier == 1 else str(multiplier)


def rate_limit_holds_process(examined: Examined) -> str | None:
    if examined.conf.worker_prefetch_multiplier != 1:
        return None
    return examined.where("rate_limit", "task_default_rate_limit", bool)


def heartbeat_off(examined: Examined) -> str | None:
    seconds = examined.conf.broker_heartbeat
    return None if seconds or not examined.is_rabbitmq else repr(seconds)


def worker_gives_up(examined: Examined) -> str | None:
    conf = examined.conf
    wrong = {
        "broker_connection_retry": not conf.broker_connection_retry,
        "broker_connection_retry_on_startup": conf.broker_connection_retry_on_startup is False,
        "broker_connection_max_retries": bool(conf.broker_connection_max_retries),
    }
    return listed(
        [f"{name} = {getattr(conf, name)!r}" for name, is_wrong in wrong.items() if is_wrong]
    )


def time_limit_missing(examined: Examined) -> str | None:
    return examined.where("time_limit", "task_time_limit", not_)


def time_limit_beyond_consumer_timeout(examined: Examined) -> str | None:
    asks = examined.consumes_through_us and (examined.version or ()) >= ASKED_FOR_SINCE
    if asks or not examined.is_rabbitmq:
        return None
    limits = {name: task.time_limit for name, task in examined.tasks.items()}
    limits = limits or {"every task": examined.conf.task_time_limit}
    return listed(
        [
            f"{name} ({seconds:g} s)"
            for name, seconds in limits.items()
            if seconds and seconds > CONSUMER_TIMEOUT_SECONDS
        ]
    )

"""Tells the broker how long a delivery may stay unacknowledged: as long as the tasks may run.

RabbitMQ's default of 30 minutes would deliver a longer task a second time while it still runs. As
a consumer's argument it needs no change of the queue. Quorum queues of RabbitMQ 4.3 take it, older
brokers do not look at it, and classic queues of 4.3, which have no consumer timeout, refuse it.
https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["CONSUMER_TIMEOUT", "apply_consumer_timeout", "consumer_timeout_milliseconds"]

CONSUMER_TIMEOUT = "x-consumer-timeout"

SHORTEST_SECONDS = 1_800
"""RabbitMQ's own default, which also leaves time to messages that wait for their rate limit."""

SPARE_SECONDS = 600
"""For what follows a hard time limit: ending the process, and storing the failure."""

UNLIMITED_SECONDS = 20 * 24 * 3_600
"""For tasks without a limit: 20 days, near the most that a 32-bit number of milliseconds holds."""


def apply_consumer_timeout(queues: Iterable[Any], app: Any) -> None:
    """Give each of ``queues`` (Kombu's) the argument, unless its owner has given it one."""
    milliseconds = consumer_timeout_milliseconds(app)
    for queue in queues:
        queue.consumer_arguments = {
            CONSUMER_TIMEOUT: milliseconds,
            **(queue.consumer_arguments or {}),
        }


def consumer_timeout_milliseconds(app: Any) -> int:
    """Return the timeout for the tasks of ``app``, which follows the longest hard time limit."""
    limits = [
        task.time_limit or app.conf.task_time_limit
        for name, task in app.tasks.items()
        if not name.startswith("celery.")
    ]
    if not all(limits) or not limits:
        return UNLIMITED_SECONDS * 1_000
    seconds = max(SHORTEST_SECONDS, max(limits) + SPARE_SECONDS)
    return int(min(seconds, UNLIMITED_SECONDS) * 1_000)

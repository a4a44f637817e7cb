"""The closed list of reasons for which a message becomes a dead letter."""

from __future__ import annotations

from enum import Enum

__all__ = ["BROKER_REASONS", "Reason"]


class Reason(str, Enum):
    """Why a message lies in the dead-letter queue; its value is what the header says."""

    UNDECODABLE = "undecodable"
    """Its body, headers or properties are not what any Celery, or any text, looks like."""

    UNKNOWN_TASK = "unknown task"
    """The worker that took it has no task of that name."""

    INVALID_ARGUMENTS = "invalid arguments"
    """Its arguments do not fit the task's signature."""

    FAILED = "failed"
    """The task raised, and will not be retried."""

    TIME_LIMIT = "time limit"
    """The task ran longer than its limit, soft and not caught, or hard."""

    REJECTED = "rejected"
    """The task, or a client of the broker, rejected it without asking for another try."""

    EXPIRED = "expired"
    """It was too late: its ``expires``, or its time to live on the broker, had passed."""

    ATTEMPTS_EXHAUSTED = "attempts exhausted"
    """It was begun as often as the limit allows, and never ended."""

    QUEUE_FULL = "queue full"
    """The queue's length limit pushed it out."""


BROKER_REASONS = {
    "rejected": Reason.REJECTED,
    "expired": Reason.EXPIRED,
    "maxlen": Reason.QUEUE_FULL,
    "delivery_limit": Reason.ATTEMPTS_EXHAUSTED,
}
"""RabbitMQ's own reasons, in the header ``x-death``: https://www.rabbitmq.com/docs/dlx ."""

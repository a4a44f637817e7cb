"""The broker-side names, each spelled here and nowhere else."""

from __future__ import annotations

__all__ = [
    "DEFAULT_EXCHANGE",
    "DELAY_LEVELS",
    "DELIVERY_EXCHANGE",
    "dead_letter_queue_name",
    "pause_queue_name",
]

DEFAULT_EXCHANGE = ""
"""Routes a message to the queue that its routing key names (AMQP 0-9-1, 3.1.3.1)."""

DELAY_LEVELS = [f"celery_delayed_{level}" for level in range(28)]
"""The exchanges, and the queues, in which Celery keeps delayed tasks: number n for 2^n seconds."""

DELIVERY_EXCHANGE = "celery_delayed_delivery"
"""Where a delayed task comes out."""


def dead_letter_queue_name(work_queue_name: str) -> str:
    """Return the name of the queue in which the work queue's dead letters lie."""
    return f"{work_queue_name}.dead_letters"


def pause_queue_name(work_queue_name: str) -> str:
    """Return the name of the queue that holds messages while the work queue is paused."""
    return f"{work_queue_name}.paused"

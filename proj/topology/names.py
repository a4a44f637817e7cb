"""The broker-side names, each spelled here and nowhere else."""

from __future__ import annotations

__all__ = ["DEFAULT_EXCHANGE", "dead_letter_queue_name"]

DEFAULT_EXCHANGE = ""
"""Routes a message to the queue that its routing key names (AMQP 0-9-1, 3.1.3.1)."""


def dead_letter_queue_name(work_queue_name: str) -> str:
    """Return the name of the queue in which the work queue's dead letters lie."""
    return f"{work_queue_name}.dead_letters"

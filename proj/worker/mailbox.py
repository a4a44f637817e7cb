"""The queue of remote control, which must never keep a worker from its messages."""

from __future__ import annotations

import secrets
from typing import Any

from amqp.exceptions import ResourceLocked

__all__ = ["Mailbox"]


class Mailbox:
    """Has the worker's mailbox declared under another name where the broker refuses the first one.

    It is exclusive to a connection. RabbitMQ 4.3 keeps it locked (405) for as long as the node is
    down that held it; a worker of a cluster would wait that long. Remote control finds it under
    any name: https://docs.celeryq.dev/projects/kombu/en/stable/reference/kombu.pidbox.html
    """

    def __init__(self, consumer: Any) -> None:
        self.node = consumer.app.control.mailbox
        self.first_queue = self.node.get_queue

    def on_connection_error(self, exc: Exception) -> None:
        """Choose a new name for the next connection where ``exc`` tells that this one is taken."""
        if isinstance(exc, ResourceLocked):
            prefix = secrets.token_hex(4)
            self.node.get_queue = lambda name: self.first_queue(f"{prefix}.{name}")

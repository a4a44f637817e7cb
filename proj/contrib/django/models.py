"""The outbox: tasks that a transaction has sent, until the broker has confirmed them."""

from __future__ import annotations

from typing import Any

from django.db import models
from kombu.utils import json

__all__ = ["OutboxMessage"]


class OutboxMessage(models.Model):
    """One message, complete as it goes to the broker; its id gives the order of the calls."""

    id = models.BigAutoField(primary_key=True)
    task_id = models.CharField(max_length=255)
    exchange = models.CharField(max_length=255, blank=True)
    routing_key = models.CharField(max_length=255)
    headers = models.TextField()
    """Kombu's JSON, which keeps dates and bytes; an ETA in it is absolute."""
    properties = models.TextField()
    """Kombu's JSON: the AMQP properties, ``mandatory``, and the names of the queues to declare."""
    body = models.BinaryField()
    created = models.DateTimeField()
    retry_at = models.DateTimeField()
    """From when on a relay may take it; before, whoever wrote or took it is at work on it."""
    attempts = models.PositiveIntegerField(default=0)
    """How often a relay has failed to publish it."""
    error = models.TextField(blank=True)
    """Why the last attempt failed."""

    class Meta:
        """A name for the admin."""

        verbose_name = "outbox message"

    def __str__(self) -> str:
        return f"{self.task} {self.task_id}"

    @property
    def task(self) -> str:
        """The name of the task."""
        headers: dict[str, Any] = json.loads(self.headers)
        return str(headers.get("task", ""))

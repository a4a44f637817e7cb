"""What Celery sends a task's message with: mandatory, delayed by the broker, free of its past."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery

from proj.publishing.delays import delay, leave_delayed_way
from proj.publishing.task_message import Composer
from proj.topology.delays import DELAYED_UNTIL

__all__ = ["sending"]

HISTORY = (
    DELAYED_UNTIL,
    "x-attempts",
    "x-dead-letter-",
    "x-death",
    "x-first-death-",
    "x-last-death-",
)
"""What headers tell of one message's past; a retry is a new message, and Celery copies them."""


def sending(app: Celery, send: Callable[..., Any]) -> Callable[..., Any]:
    """Return what takes the place of ``send``, the sender of task messages that Celery made."""

    def send_task_message(producer: Any, name: str, message: Any, **options: Any) -> Any:
        """Publish a task's message; one that no queue takes comes back, and is an error."""
        if options.get("mandatory") is None:  # which Celery passes for a task that has no say in it
            options["mandatory"] = True
        if options.get("headers"):
            options["headers"] = _without_history(options["headers"])
        if not (message.headers or message.body).get("eta"):
            # By it the broker tells how long its oldest message has waited.
            options.setdefault("timestamp", int(time.time()))
        if (message.headers or message.body).get("expires"):
            # Celery asks the broker to end it, unseen: its result would be awaited for ever.
            # The worker sees `expires`, and tells of it.
            options["expiration"] = None
        leave_delayed_way(options)
        if getattr(producer, "is_outbox", False):
            # What is left of a delay is known as the message leaves the outbox.
            message = message._replace(sent_event=None)
        else:
            delay(app, producer, message, options)
        if isinstance(producer, Composer):
            return producer.keep(send, name, message, options)
        return send(producer, name, message, **options)

    return send_task_message


def _without_history(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if not name.startswith(HISTORY)}

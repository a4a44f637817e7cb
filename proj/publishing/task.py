"""The base of the app's tasks: a retry that cannot be published leaves its message in the queue."""

from __future__ import annotations

from typing import Any

from celery.app.task import Task as CeleryTask
from celery.exceptions import Reject

from proj.errors import WorkQueueError
from proj.publishing.send_task import without_outbox

__all__ = ["Task"]


class Task(CeleryTask):
    """Celery's task, which puts its message back where ``retry`` fails (``app.task_cls``)."""

    abstract = True

    def retry(self, *arguments: Any, **options: Any) -> Any:
        """Publish the task again, as ``celery.Task.retry`` does.

        Celery rejects the message, for good, where that fails. Here it goes back to the queue, so
        that the task runs again; raises ``celery.exceptions.Reject`` for that.
        """
        try:
            # It ends by an exception, which rolls an open transaction back.
            with without_outbox():
                return super().retry(*arguments, **options)
        except Reject as rejected:
            if isinstance(rejected.reason, WorkQueueError):
                raise Reject(rejected.reason, requeue=True) from rejected
            raise

    def on_replace(self, sig: Any) -> Any:
        """Publish the task that replaces this one, now: it too ends by an exception."""
        with without_outbox():
            return super().on_replace(sig)

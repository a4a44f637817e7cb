"""The base of the app's tasks: a retry that cannot be published leaves its message in the queue."""

from __future__ import annotations

from typing import Any

from celery.app.task import Task as CeleryTask
from celery.exceptions import Reject

from proj.errors import WorkQueueError
from proj.publishing.send_task import SendTask, without_outbox

__all__ = ["Task"]


class Task(CeleryTask):
    """Celery's task, which puts its message back where ``retry`` fails (``app.task_cls``)."""

    abstract = True

    def apply_async(  # noqa: PLR0917 - Celery's signature
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Publish a call as ``celery.Task.apply_async`` does, a plain one at less cost.

        Raises :class:`proj.errors.PublishError`.
        """
        send_task = self.app.send_task
        is_plain = not (producer or link or link_error or shadow)
        # A test or a tracing library may have put another function in its place.
        if is_plain and isinstance(send_task, SendTask) and not send_task.keeper(self.name):
            message = send_task.templates.message(self, args, kwargs, task_id, options)
            if message is not None:
                return send_task.publish(message, self)
        return super().apply_async(
            args, kwargs, task_id, producer, link, link_error, shadow, **options
        )

    def apply_as_celery(self, *arguments: Any, **options: Any) -> Any:
        """Publish a call as Celery does, whatever the call is."""
        return super().apply_async(*arguments, **options)

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

"""``app.send_task``, through which Celery sends every task, with a deadline over all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.exceptions import QueueNotFound
from celery.utils import uuid
from kombu.exceptions import OperationalError

from proj.broker import deadline
from proj.errors import PublishError, QueueUnknown

if TYPE_CHECKING:
    from proj.publishing.task_message import TaskMessage
    from proj.publishing.template import Templates

__all__ = ["SendTask", "without_outbox"]

_has_outbox: ContextVar[bool] = ContextVar("has_outbox", default=True)


class SendTask:
    """Takes the place of an app's own ``send_task``; ``delay``, canvas and beat end there too."""

    outbox: Callable[[str, bool | None], Any] | None = None
    """Returns a producer that keeps the task until the open database transaction has committed.

    It takes the task's name and the call's ``outbox``, and returns None for a task to publish now.
    """

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._wrapped = vars(app).get("send_task")

    @property
    def is_celerys_own(self) -> bool:
        """Whether no subclass of Celery, and no wrapper, must see each call."""
        return self._wrapped is None and type(self.app).send_task is Celery.send_task

    def __call__(  # noqa: PLR0917 - Celery's signature
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        *arguments: Any,
        publish_deadline_seconds: float | None = None,
        outbox: bool | None = None,
        **options: Any,
    ) -> Any:
        """Send a task as ``Celery.send_task`` does; return once the broker holds it.

        ``publish_deadline_seconds`` goes before ``work_queue_publish_deadline_seconds``, for this
        call. ``outbox`` says whether an open database transaction keeps the task.
        Raises :class:`proj.errors.PublishError` by then, with the task's id.
        """
        task_id = task_id or uuid()
        if not getattr(producer, "composes", False):
            producer = self.keeper(name, outbox) or producer
        seconds = self.app.amqp.publish_deadline_seconds
        if publish_deadline_seconds is not None:
            seconds = _above_zero(publish_deadline_seconds)
        with self._sending(task_id, seconds):
            return self._next()(
                name, args, kwargs, countdown, eta, task_id, producer, *arguments, **options
            )

    def keeper(self, name: str, option: bool | None = None) -> Any:  # noqa: FBT001 - the call's own option
        """Return the outbox's producer if an open transaction keeps this task, else None."""
        return self.outbox(name, option) if self.outbox and _has_outbox.get() else None

    @cached_property
    def templates(self) -> Templates:
        """What makes the messages of plain calls."""
        # Not at the top: every celery command makes a SendTask, and few of them publish.
        from proj.publishing.template import Templates  # noqa: PLC0415

        return Templates(self.app)

    def publish(self, message: TaskMessage, task: Any) -> Any:
        """Publish a message of ``task``, and return the result that its call returns."""
        ignored = message.options["headers"]["ignore_result"]
        with (
            self._sending(message.id, self.app.amqp.publish_deadline_seconds),
            self.app.amqp.producer_pool.acquire(
                block=True, timeout=self.templates.setting("broker_pool_acquire_timeout")
            ) as producer,
        ):
            message.publish(self.app, producer, has_result=True)
        result = task.AsyncResult(message.id)
        result.ignored = ignored
        return result

    def _next(self) -> Callable[..., Any]:
        """Return what sends a task without the plug-in."""
        if self._wrapped is not None:
            return self._wrapped  # type: ignore[no-any-return]
        # Looked up for each call: a test, or a tracing library, may replace the method later.
        method = type(self.app).send_task
        bind = getattr(method, "__get__", None)
        return method if bind is None else bind(self.app)  # type: ignore[no-any-return]

    @contextmanager
    def _sending(self, task_id: str, seconds: float) -> Iterator[None]:
        with deadline.within(seconds):
            try:
                yield
            except PublishError as error:
                if error.task_id is not None:
                    raise
                where = {"task_id": task_id, "queue": error.queue}
                raise type(error)(error.broker, error.reason, **where) from error
            except QueueNotFound as error:
                # Celery's router raises it for the KeyError of a name that is not in task_queues; a
                # router of the user's own says what it means.
                missing = error.__context__
                if not isinstance(missing, KeyError):
                    raise
                broker = self.app.connection_for_write().as_uri()
                where = {"task_id": task_id, "queue": str(missing.args[0])}
                raise QueueUnknown(broker, "not configured", **where) from error
            except OperationalError as error:
                from proj.publishing.failures import as_publish_error  # noqa: PLC0415 - as above

                broker = self.app.connection_for_write().as_uri()
                raise as_publish_error(error, broker, {"task_id": task_id}) from error


@contextmanager
def without_outbox() -> Iterator[None]:
    """Let the tasks sent in the block be published now, whatever transaction is open."""
    token = _has_outbox.set(False)
    try:
        yield
    finally:
        _has_outbox.reset(token)


def _above_zero(seconds: float) -> float:
    if not 0 < seconds < float("inf"):
        raise ValueError(f"publish_deadline_seconds: expected seconds above 0, found {seconds!r}")
    return seconds

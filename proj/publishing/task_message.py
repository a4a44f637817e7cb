"""A task's message, complete and not yet published: what Celery makes of one call.

This is the seam for whoever keeps messages before they are published, such as an outbox:
``compose`` makes them, ``publish_many`` takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import kombu
from celery import Celery, signals
from kombu.compression import compress
from kombu.serialization import dumps, registry
from kombu.utils import json

from proj.publishing.no_channel import NoChannel

if TYPE_CHECKING:
    from proj.publishing.prepared import Preparing

__all__ = ["Composer", "TaskMessage", "compose", "declares_reply_queue", "encode"]

JSON = json.JSONEncoder()


@dataclass(slots=True)
class TaskMessage:
    """One message as ``kombu.Producer.publish(body, **options)`` takes it."""

    task: str
    """The task's name, which is the sender of Celery's signals."""
    body: bytes | str
    """Serialised, and compressed where the task asks for it."""
    options: dict[str, Any]
    """Exchange, routing key, headers, AMQP properties; what to declare; whether to try again."""
    call: Any
    """What ``body`` holds: ``(args, kwargs, embed)``, as Celery's signals show it."""
    encoding: tuple[str | None, str | None]
    """The serializer and the compression that were asked for, as Kombu names them."""
    queue: str | None = None
    """Where it goes, as far as the call named a queue."""
    sent_event: dict[str, Any] | None = None
    """The fields of its event ``task-sent``, if ``task_send_sent_event`` is on."""
    keeper: Any = None
    """The outbox's producer, if an open database transaction keeps the message."""
    preparing: Preparing | None = field(default=None, compare=False, repr=False)
    """What spares Kombu's work: only while nobody has seen the message, and may have changed it."""

    @property
    def id(self) -> str:
        """The task's id."""
        return str(self.options["correlation_id"])

    def publish(self, app: Celery, producer: Any, *, has_result: bool = False) -> None:
        """Publish it with ``producer`` and tell so; raises :class:`proj.errors.PublishError`."""
        self.expect_result(app, producer, has_result=has_result)
        if self.preparing is None:
            producer.publish(self.body, **self.options)
        else:
            producer.publish_prepared(self)
        self.tell_published(app, producer)

    def expect_result(self, app: Celery, producer: Any, *, has_result: bool = False) -> None:
        """Let the result backend make ready for the task's result, as Celery does before.

        Without a result object (``has_result``) nobody waits for it: Redis need not subscribe.
        """
        if self.options["headers"].get("ignore_result"):
            return
        if has_result or declares_reply_queue(app.backend):
            with producer.connection._reraise_as_library_errors():  # noqa: SLF001 - as Celery's send_task
                app.backend.on_task_call(producer, self.id)

    def tell_published(self, app: Celery, producer: Any) -> None:
        """Send ``after_task_publish`` and the event ``task-sent``, as Celery does."""
        options = self.options
        where = {name: options[name] for name in ("exchange", "routing_key")}
        if signals.after_task_publish.receivers:
            signals.after_task_publish.send(
                sender=self.task, body=self.call, headers=options["headers"], **where
            )
        if self.sent_event:
            exchange = where["exchange"]
            self.sent_event.update(
                where, queue=self.queue, exchange=getattr(exchange, "name", exchange)
            )
            again = {name: options[name] for name in ("retry", "retry_policy")}
            app.amqp._event_dispatcher.publish("task-sent", self.sent_event, producer, **again)  # noqa: SLF001 - as Celery's sender


def compose(app: Celery, call: Callable[..., Any], *, is_outbox: bool = False) -> list[TaskMessage]:
    """Return the messages that ``call(producer=...)`` would publish, and publish none.

    ``call`` is the ``apply_async`` of a task or a signature, with its arguments bound. It runs as
    ever, signal ``before_task_publish`` included; a group or a chord makes several messages. For an
    outbox a delay stays an ETA, since what is left of it is known when the message is published.
    """
    composer = Composer(app, is_outbox=is_outbox)
    call(producer=composer)
    return composer.messages


class Composer(kombu.Producer):
    """Takes a producer's place, and keeps what Celery hands it."""

    composes = True
    """The message is not kept in an outbox now."""
    channel = NoChannel()

    def __init__(self, app: Celery, *, is_outbox: bool) -> None:
        super().__init__(None)
        self.is_outbox = is_outbox
        self._app = app
        self.messages: list[TaskMessage] = []

    @property
    def connection(self) -> Any:
        """A connection to the broker, not opened."""
        return self._app.pool.connection

    def keep(
        self, send: Callable[..., Any], task: str, message: Any, options: dict[str, Any]
    ) -> None:
        """Let Celery's ``send`` complete ``message`` up to the moment of publishing."""
        queue = options.get("queue")
        if queue is None and options.get("exchange") is None:
            queue = self._app.amqp.default_queue
        try:
            send(self, task, message, **options)
        except _Complete as complete:
            body, options = complete.args
        encoding = options.pop("serializer", None), options.pop("compression", None)
        self.messages.append(
            TaskMessage(
                task,
                encode(body, encoding, options),
                options,
                body,
                encoding,
                getattr(queue, "name", queue),
                message.sent_event,
            )
        )

    def publish(self, body: Any, **options: Any) -> Any:
        """End what Celery does: what follows is done when the message is published."""
        raise _Complete(body, options)


def declares_reply_queue(backend: Any) -> bool:
    """Whether the result has nowhere to go unless its queue is declared before the task is sent."""
    # Not at the top: every celery command imports this module.
    from celery.backends.rpc import RPCBackend  # noqa: PLC0415

    return isinstance(backend, RPCBackend)


def encode(
    call: Any, encoding: tuple[str | None, str | None], options: dict[str, Any]
) -> bytes | str:
    """Return the body, and say in ``options`` what it is, as ``kombu.Producer.publish`` does."""
    serializer, compression = encoding
    options["content_type"], options["content_encoding"], body = _serialised(call, serializer)
    if compression:
        body, options["headers"]["compression"] = compress(body, compression)
    encoded: bytes | str = body
    return encoded


def _serialised(call: Any, serializer: str | None) -> tuple[str, str, Any]:
    codec = registry._encoders.get(serializer)  # noqa: SLF001 - as its dumps()
    if codec is not None and codec.encoder is json.dumps:
        # Kombu makes an encoder for each message. Where it fails, Kombu's own error follows.
        with suppress(Exception):
            return codec.content_type, codec.content_encoding, JSON.encode(call)
    kombus: tuple[str, str, Any] = dumps(call, serializer=serializer)
    return kombus


class _Complete(Exception):
    """Leaves Celery's sender with what it would publish."""

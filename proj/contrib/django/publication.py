"""Publishes messages of the outbox: one of them, or many together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kombu.utils import json

from proj.broker import deadline
from proj.errors import BrokerUnavailable, OutcomeUnknown
from proj.publishing.ahead import CHUNK
from proj.publishing.delays import delay
from proj.publishing.many import publish_many
from proj.publishing.outcomes import NotAllPublished
from proj.publishing.task_message import TaskMessage, declares_reply_queue

if TYPE_CHECKING:
    from celery import Celery

    from proj.contrib.django.models import OutboxMessage

__all__ = ["BROKER_LOST", "TOGETHER", "publish", "publish_together"]

BROKER_LOST = (BrokerUnavailable, OutcomeUnknown)
"""Errors after which nothing else is published either."""

TOGETHER = CHUNK
"""As many as are made before the first is sent: one that cannot be made stops none half-way."""


def publish(app: Celery, message: OutboxMessage, *, expects_result: bool = False) -> None:
    """Publish ``message``; return once the broker holds it, within the current deadline.

    What is left of its delay is waited for on the broker. ``expects_result``: where the caller may
    wait for the result in this process. Raises :class:`proj.errors.PublishError`, and whatever a
    message raises that cannot be published at all.
    """
    with app.producer_or_acquire() as producer:
        kept = _kept(app, producer, message)
        is_awaited = expects_result and not kept.options["headers"].get("ignore_result")
        if is_awaited and declares_reply_queue(app.backend):
            app.backend.on_task_call(producer, message.task_id)
        producer.publish(kept.body, **kept.options)


def publish_together(
    app: Celery,
    messages: Sequence[OutboxMessage],
    note: Callable[[OutboxMessage, Exception | None], None],
) -> None:
    """Publish at most ``TOGETHER`` messages in their order, within the current deadline.

    ``note(message, error)`` is called for each in that order, with no error where the broker holds
    it; for those that were not tried, because the deadline has passed, never.
    """
    left = deque(messages)
    try:
        with app.producer_or_acquire() as producer:
            kept = [_kept(app, producer, message) for message in messages]
        with suppress(NotAllPublished):
            publish_many(
                kept,
                app=app,
                failures_limit=TOGETHER,
                on_outcome=lambda outcome: note(left.popleft(), outcome.error),
            )
    except Exception:  # noqa: BLE001 - each message gets its own, below
        while left and deadline.remaining() != 0:
            error: Exception | None = None
            try:
                publish(app, left[0])
            except Exception as raised:  # noqa: BLE001 - the caller's to judge
                error = raised
            note(left.popleft(), error)
            if isinstance(error, BROKER_LOST):
                return


class _Kept(TaskMessage):
    """A message of which Celery's signals and events were told when it was kept."""

    def expect_result(self, *_: Any, **__: Any) -> None:
        """Make nothing ready: its caller waits in another process."""

    def tell_published(self, *_: Any) -> None:
        """Tell nobody again."""


def _kept(app: Celery, producer: Any, message: OutboxMessage) -> _Kept:
    headers = json.loads(message.headers)
    options: dict[str, Any] = json.loads(message.properties)
    queues = options.pop("declare")
    options.update(
        exchange=message.exchange,
        routing_key=message.routing_key,
        headers=headers,
        declare=[app.amqp.queues[name] for name in queues if name in app.amqp.queues],
        retry=app.conf.task_publish_retry,
        retry_policy=app.conf.task_publish_retry_policy,
    )
    if headers.get("eta"):
        options["queue"] = queues[0] if queues else message.routing_key
        delay(app, producer, SimpleNamespace(headers=headers), options)
        options.pop("queue")
    return _Kept(message.task, bytes(message.body), options, call=None, encoding=(None, None))

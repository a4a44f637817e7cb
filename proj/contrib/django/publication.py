"""Publishes one message of the outbox."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kombu.utils import json

from proj.publishing.delays import delay
from proj.publishing.task_message import declares_reply_queue

if TYPE_CHECKING:
    from celery import Celery

    from proj.contrib.django.models import OutboxMessage

__all__ = ["publish"]


def publish(app: Celery, message: OutboxMessage, *, expects_result: bool = False) -> None:
    """Publish ``message``; return once the broker holds it, within the current deadline.

    What is left of its delay is waited for on the broker. ``expects_result``: where the caller may
    wait for the result in this process. Raises :class:`proj.errors.PublishError`, and whatever a
    message raises that cannot be published at all.
    """
    headers = json.loads(message.headers)
    options: dict[str, Any] = json.loads(message.properties)
    queues = options.pop("declare")
    options.update(
        exchange=message.exchange,
        routing_key=message.routing_key,
        declare=[app.amqp.queues[name] for name in queues if name in app.amqp.queues],
        retry=app.conf.task_publish_retry,
        retry_policy=app.conf.task_publish_retry_policy,
    )
    with app.producer_or_acquire() as producer:
        is_awaited = expects_result and not headers.get("ignore_result")
        if is_awaited and declares_reply_queue(app.backend):
            app.backend.on_task_call(producer, message.task_id)
        if headers.get("eta"):
            options["queue"] = queues[0] if queues else message.routing_key
            delay(app, producer, SimpleNamespace(headers=headers), options)
            options.pop("queue")
        producer.publish(bytes(message.body), headers=headers, **options)

"""Publishes plain messages: text, persistent, without any Celery header, as the tutorial does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.entity import PERSISTENT_DELIVERY_MODE

from proj.broker import deadline
from proj.topology.names import DEFAULT_EXCHANGE

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["publish_plain"]


def publish_plain(app: Celery, body: str) -> None:
    """Publish ``body`` to the app's work queue for any consumer, Celery or not.

    Returns once the broker holds it, within ``work_queue_publish_deadline_seconds``; raises
    :class:`proj.errors.PublishError`.
    """
    queue = app.amqp.default_queue
    with (
        deadline.within(app.amqp.publish_deadline_seconds),
        app.producer_or_acquire() as producer,
    ):
        producer.publish(
            body.encode(),
            content_type="text/plain",
            content_encoding="utf-8",
            exchange=DEFAULT_EXCHANGE,
            routing_key=queue.name,
            delivery_mode=PERSISTENT_DELIVERY_MODE,
            declare=[queue],
            mandatory=True,
            retry=app.conf.task_publish_retry,
            retry_policy=app.conf.task_publish_retry_policy,
        )

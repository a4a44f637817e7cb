"""What Kombu's producer hands to a channel for a task's message.

Kombu makes it for the first message that follows a template; for the others only the body, the
headers and three properties are new.
"""

from __future__ import annotations

from typing import Any

import kombu
from celery import Celery

from proj.publishing.producer import DefaultExchange
from proj.publishing.task_message import TaskMessage

__all__ = ["Encoder", "Preparing"]

VARYING_HEADERS = ("id", "root_id", "argsrepr", "kwargsrepr", "origin")
VARYING_PROPERTIES = ("correlation_id", "reply_to", "timestamp")

Prepared = tuple[Any, str, str, bool]
"""The channel's message, its exchange, its routing key, and whether it is mandatory."""


class ByKombu:
    """As much of a channel as Kombu's producer uses; it publishes nothing."""

    def __init__(self, channel: Any = None) -> None:
        self._channel = channel
        self.described: tuple[Any, ...] = ()

    def __call__(self, message: TaskMessage) -> Prepared:
        """Return what Kombu makes of the message."""
        options = {**message.options, "declare": None, "retry": False}
        prepared: Prepared = kombu.Producer(self, DefaultExchange()).publish(
            message.body, **options
        )
        return prepared

    def prepare_message(self, *described: Any) -> Any:
        """Note how Kombu describes the message."""
        self.described = described
        return self._channel and self._channel.prepare_message(*described)

    def basic_publish(
        self, message: Any, *, exchange: str, routing_key: str, mandatory: bool, **_: Any
    ) -> Prepared:
        """Give back what Kombu publishes."""
        return message, exchange, routing_key, mandatory


class Preparing:
    """What Kombu makes of the messages of one template."""

    def __init__(self, model: TaskMessage) -> None:
        kombus = ByKombu()
        _, *where = kombus(model)
        self._where = tuple(where)
        _, *constant, _, self._properties = kombus.described
        self._constant = tuple(constant)
        self._encoding = constant[-1]
        self._outlines: dict[type, Any] = {}

    def __call__(self, channel: Any, message: TaskMessage) -> Prepared:
        """Return what Kombu would make of a message like the model."""
        body, options = message.body, message.options
        properties = self._properties.copy()
        for name in VARYING_PROPERTIES:
            properties[name] = options[name]
        if isinstance(body, str):
            body = body.encode(self._encoding)
        headers = options["headers"]
        prepared = channel.prepare_message(body, *self._constant, headers, properties)
        kind = type(prepared)
        if kind not in self._outlines:
            as_model = getattr(prepared, "as_model", None)
            self._outlines[kind] = as_model and as_model(VARYING_HEADERS, VARYING_PROPERTIES)
        if self._outlines[kind] is not None:
            prepared.outline = self._outlines[kind]
        return prepared, *self._where


class Encoder:
    """Prepares messages for a producer's channel, and declares what they need."""

    def __init__(self, app: Celery, producer: Any) -> None:
        self._app = app
        self._producer = producer
        self._by_kombu = ByKombu(producer.channel)

    def __call__(self, message: TaskMessage) -> Prepared:
        """Return what to publish."""
        message.expect_result(self._app, self._producer)
        for entity in message.options.get("declare") or ():
            self._producer.maybe_declare(entity)
        if message.preparing is None:
            return self._by_kombu(message)
        return message.preparing(self._producer.channel, message)

"""A message on its way in and on its way out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kombu.message import Message

from proj.embedded.properties import Outline, decode_properties, encode_properties

if TYPE_CHECKING:
    from proj.embedded.channel import Channel


@dataclass
class PreparedMessage:
    """What a publisher hands over; the properties are named as in AMQP and hold no None."""

    body: str | bytes
    properties: dict[str, Any]
    outline: Outline | None = None
    """Of messages that this one is like."""

    def as_model(self, headers: Sequence[str], properties: Sequence[str]) -> Outline:
        """Return the outline of messages that differ from this one in what is named."""
        return Outline(self.properties, headers, properties)

    def encoded_properties(self) -> str | bytes:
        """Return the properties as the file keeps them."""
        if self.outline is not None:
            return self.outline.fill(self.properties)
        return encode_properties(self.properties)

    @property
    def headers(self) -> dict[str, Any]:
        """The application headers."""
        headers: dict[str, Any] = self.properties.get("application_headers") or {}
        return headers

    def due_at_ms(self, now_ms: int) -> int | None:
        """Return when the message is to be seen, in ms since 1970, None for at once.

        The header ``x-delay`` (ms) says so; without it Celery's header ``eta`` (ISO 8601), so that
        ``countdown``, ``eta`` and ``retry`` wait here and not in a worker's memory.
        """
        headers = self.headers
        due_at = None
        if "x-delay" in headers:
            due_at = now_ms + int(headers["x-delay"])
        elif headers.get("eta"):
            due_at = _milliseconds_of(str(headers["eta"]))
        return due_at if due_at is not None and due_at > now_ms else None

    def lifetime_ms(self, queue_arguments: Mapping[str, Any]) -> int | None:
        """Return how long the message may wait, the shorter of its own and its queue's limit."""
        limits = (self.properties.get("expiration"), queue_arguments.get("x-message-ttl"))
        return min((int(limit) for limit in limits if limit is not None), default=None)


@dataclass(frozen=True)
class Delivery:
    """A message as it was claimed from its queue."""

    id: int
    queue_id: int
    delivery_count: int
    exchange: str
    routing_key: str
    properties: str | bytes
    body: str | bytes

    def to_message(self, channel: Channel, delivery_tag: int, consumer_tag: str | None) -> Message:
        """Return the message as Kombu hands it to a consumer, shaped as py-amqp's."""
        properties = decode_properties(self.properties)
        headers = properties.setdefault("application_headers", {})
        if self.delivery_count:
            headers["x-delivery-count"] = self.delivery_count
        if isinstance(headers.get("x-delay"), int):
            # Spent, and shown so as RabbitMQ's delayed exchange shows it: a message published
            # again with the headers it came with must not wait a second time.
            headers["x-delay"] = -abs(headers["x-delay"])
        information = {
            "delivery_tag": delivery_tag,
            "redelivered": self.delivery_count > 0,
            "exchange": self.exchange,
            "routing_key": self.routing_key,
        }
        if consumer_tag is not None:
            information["consumer_tag"] = consumer_tag
        return Message(
            body=self.body,
            channel=channel,
            delivery_tag=delivery_tag,
            content_type=properties.get("content_type"),
            content_encoding=properties.get("content_encoding"),
            delivery_info=information,
            properties=properties,
            headers=headers,
        )


def _milliseconds_of(moment: str) -> int | None:
    try:
        # Python 3.10 does not read the letter for UTC.
        parsed = dt.datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        # Not a moment to this broker: the worker that reads the header will say so.
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=dt.timezone.utc)
    return int(parsed.timestamp() * 1000)

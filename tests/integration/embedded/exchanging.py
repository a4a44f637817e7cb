"""Publishes to a channel of the embedded broker, and reads what a queue holds."""

from __future__ import annotations

from typing import Any

from kombu import Producer


def publish(channel: Any, body: Any, key: str = "q", exchange: str = "", **options: Any) -> None:
    """Publish through Kombu's producer."""
    Producer(channel).publish(body, routing_key=key, exchange=exchange, **options)


def bodies(channel: Any, queue: str = "q") -> list[Any]:
    """Take everything that is ready."""
    found = []
    while message := channel.basic_get(queue, no_ack=True):
        found.append(message.payload)
    return found


def size(channel: Any, queue: str = "q") -> int:
    """Count what is ready."""
    return int(channel.queue_declare(queue, passive=True).message_count)

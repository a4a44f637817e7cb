"""Two plain pika consumers at prefetch one: the tutorial's own model, and the yardstick."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pika

from benchmarks.peers.recording import QUEUE, URL, record

confirmed: list[Any] = []
unconfirmed: list[Any] = []
"""The channel of each kind, once a message was published on it."""


def publish(count: int) -> None:
    """Publish one by one, each confirmed and mandatory."""
    if not confirmed:
        confirmed.append(open_channel())
        confirmed[0].confirm_delivery()
    for _ in range(count):
        send(confirmed[0], mandatory=True)


def publish_many(count: int) -> None:
    """Publish without confirms, which is the most that one connection of pika does."""
    if not unconfirmed:
        unconfirmed.append(open_channel())
    for _ in range(count):
        send(unconfirmed[0])
    # The broker answers this after it has read what came before it.
    unconfirmed[0].queue_declare(QUEUE, passive=True)


def send(channel: Any, *, mandatory: bool = False) -> None:
    """Publish one persistent message."""
    channel.basic_publish(
        "",
        QUEUE,
        json.dumps([time.time()]).encode(),
        pika.BasicProperties(delivery_mode=2),
        mandatory=mandatory,
    )


def open_channel() -> Any:
    """Return a channel on which the queue is declared; the virtual host decides its type."""
    channel = pika.BlockingConnection(pika.URLParameters(URL)).channel()
    channel.queue_declare(QUEUE, durable=True)
    return channel


def consume() -> None:
    """Take one message at a time, work, acknowledge."""
    channel = open_channel()
    channel.basic_qos(prefetch_count=1)

    def work(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        record(json.loads(body)[0])
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(QUEUE, work)
    channel.start_consuming()


if __name__ == "__main__" and sys.argv[1:] == ["consume"]:
    consume()

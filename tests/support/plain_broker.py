"""One virtual host on a broker that the tests may use, seen as a plain AMQP client sees it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pika

from proj.dead_letters.letter import Letter, read

__all__ = ["PlainBroker", "begun"]


class PlainBroker:
    """The queues of one virtual host at ``url``, through pika; a context manager."""

    def __init__(self, url: str, queue: str = "task_queue") -> None:
        self.url = url
        self.queue = queue
        self.letters_queue = f"{queue}.dead_letters"
        self.connection: Any = None

    def __enter__(self) -> PlainBroker:
        self.connection = pika.BlockingConnection(pika.URLParameters(f"{self.url}?heartbeat=0"))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, body: bytes, *, routing_key: str | None = None, **properties: Any) -> None:
        """Publish ``body`` to the work queue with exactly these properties, confirmed."""
        self.channel.basic_publish(
            "",
            routing_key or self.queue,
            body,
            pika.BasicProperties(**properties),
            mandatory=True,
        )

    def take(self, queue: str) -> tuple[pika.BasicProperties, bytes] | None:
        """Take one message off ``queue`` for good; None if there is none."""
        method, properties, body = self.channel.basic_get(queue, auto_ack=True)
        return None if method is None else (properties, body)

    def take_letters(self) -> list[tuple[Letter, pika.BasicProperties, bytes]]:
        """Take all dead letters that lie there now."""
        letters = []
        while taken := self.take(self.letters_queue):
            letters.append((read(taken[0].headers or {}), *taken))
        return letters

    def version(self) -> tuple[int, ...]:
        """Return the version of the broker, major and minor."""
        told = self.connection._impl.server_properties["version"]  # noqa: SLF001 - shown nowhere else
        return tuple(int(part) for part in told.split(".")[:2])

    def waiting(self, queue: str | None = None) -> int:
        """Return how many messages wait in ``queue``, the work queue if none is named."""
        declared = self.channel.queue_declare(queue or self.queue, passive=True)
        return int(declared.method.message_count)


def begun(ledger: Path) -> Counter[str]:
    """Return how often each task began that wrote into the folder ``ledger``."""
    file = ledger / "began"
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(line.split()[0] for line in lines)

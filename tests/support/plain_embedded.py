"""The queues of one broker file, through Kombu alone; answers what :class:`PlainBroker` answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import kombu

from proj import embedded
from proj.dead_letters.letter import Letter, read

__all__ = ["PlainEmbedded"]


class PlainEmbedded:
    """The queue ``queue`` and its dead letters in the file at ``url``; a context manager."""

    def __init__(self, url: str, queue: str) -> None:
        embedded.register()
        self.queue = queue
        self.letters_queue = f"{queue}.dead_letters"
        self.connection = kombu.Connection(url)

    def __enter__(self) -> PlainEmbedded:
        self.channel = self.connection.channel()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, body: bytes, *, routing_key: str | None = None, **properties: Any) -> None:
        """Publish ``body`` to the work queue with exactly these properties."""
        named = {
            name: properties.pop(name, None)
            for name in ("priority", "content_type", "content_encoding", "headers")
        }
        message = self.channel.prepare_message(body, properties=properties, **named)
        self.channel.basic_publish(message, "", routing_key or self.queue, mandatory=True)

    def take(self, queue: str) -> tuple[SimpleNamespace, bytes] | None:
        """Take one message off ``queue`` for good; None if there is none."""
        message = self.channel.basic_get(queue, no_ack=True)
        if message is None:
            return None
        body = message.body
        return (
            SimpleNamespace(headers=message.headers, **message.properties),
            body.encode() if isinstance(body, str) else body,
        )

    def take_letters(self) -> list[tuple[Letter, SimpleNamespace, bytes]]:
        """Take all dead letters that lie there now."""
        letters = []
        while taken := self.take(self.letters_queue):
            letters.append((read(taken[0].headers or {}), *taken))
        return letters

    def waiting(self, queue: str | None = None) -> int:
        """Return how many messages wait in ``queue``, the work queue if none is named."""
        return int(self.channel.queue_declare(queue or self.queue, passive=True).message_count)

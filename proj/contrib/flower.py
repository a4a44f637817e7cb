"""Flower's broker page with the dead-letter queues, on the embedded broker too."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from amqp.exceptions import NotFound
from flower import views
from flower.utils import broker as flower_broker
from kombu import Connection

from proj.topology.names import dead_letter_queue_name

__all__ = ["Broker", "extend_broker_page"]


def extend_broker_page() -> None:
    """Have Flower, which knows only the queues that workers consume, ask ours for its queues."""
    views.Broker = Broker


class Broker:
    """What Flower asks for the rows of its broker page, and for ``/api/queues/length``."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.embedded = url.startswith("sqlite:")
        self.flowers_own = None if self.embedded else flower_broker.Broker(url, **options)

    async def queues(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return a row for each queue of ``names`` and each dead-letter queue that exists."""
        names = [each for name in names for each in (name, dead_letter_queue_name(name))]
        if self.flowers_own is None:
            return list(self._embedded_queues(names))
        rows: list[dict[str, Any]] = await self.flowers_own.queues(names)
        return rows

    def _embedded_queues(self, names: Iterable[str]) -> Iterable[dict[str, Any]]:
        with Connection(self.url) as connection, connection.channel() as channel:
            for name in names:
                with suppress(NotFound):
                    found = channel.queue_declare(name, passive=True)
                    ready, consumers = found.message_count, found.consumer_count
                    yield {"name": name, "messages_ready": ready, "consumers": consumers}

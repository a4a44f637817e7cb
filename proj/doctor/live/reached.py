"""The broker that answered, as every live check has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from amqp.exceptions import NotFound

from proj.broker import deadline
from proj.broker.connection import Connection
from proj.broker.management import Management
from proj.doctor.examined import Examined
from proj.topology.names import dead_letter_queue_name

__all__ = ["Reached", "reach"]

CONNECT_SECONDS = 5.0


class Reached:
    """An open ``connection`` (Kombu's, of our class) to the broker of the app."""

    alarm: str | None = None
    """Why the broker takes no messages now, once it has told."""
    heartbeats: list[tuple[dict[str, Any], float]] | None = None
    """The workers' heartbeats, each with the time here when it came, once listened for."""

    def __init__(self, examined: Examined, connection: Any) -> None:
        self.examined = examined
        self.connection = connection
        self.queue = examined.settings.name
        self.dead_letters = dead_letter_queue_name(self.queue)

    @property
    def account(self) -> str:
        """The name of the app's account."""
        return self.connection.userid or "guest"

    @cached_property
    def management(self) -> Management | None:
        """The management API, where its URL is given."""
        url = self.examined.settings.management_url
        return Management(url, self.connection) if url and self.examined.is_rabbitmq else None

    def counts(self, queue: str) -> tuple[int, int] | None:
        """Return how many messages are ready in ``queue``, and its consumers; None: no queue."""
        with self.connection.channel() as channel:
            try:
                found = channel.queue_declare(queue, passive=True)
            except NotFound:
                return None
            return found.message_count, found.consumer_count


@contextmanager
def reach(examined: Examined) -> Iterator[Reached]:
    """Connect to the broker; raises what Kombu and py-amqp raise where that fails."""
    # Of our class, which has deadlines, for an app without the plug-in too.
    own = examined.app.connection_for_write()
    with Connection(**dict(own._info(resolve=False))) as connection:  # noqa: SLF001 - as Kombu's own pool
        with deadline.within(CONNECT_SECONDS):
            connection.connect()
        if examined.is_rabbitmq:
            told = str(connection.connection.server_properties.get("version", ""))
            numbers = told.partition("-")[0].split(".")
            examined.version = tuple(int(each) for each in numbers if each.isdigit())
        yield Reached(examined, connection)

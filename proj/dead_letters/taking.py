"""Holds the messages of the dead-letter queue for a moment; what is not removed goes back.

It goes back in its order; in a quorum queue of RabbitMQ 3.10, behind what nobody held.
While a message is held nobody else gets it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any

from amqp import spec
from celery import Celery

from proj.broker.asking import channel_of
from proj.configuration import work_queue_settings
from proj.dead_letters.decoding import tolerate
from proj.dead_letters.entry import DeadLetter, read_message
from proj.errors import LettersUnreadable
from proj.topology.names import dead_letter_queue_name

__all__ = ["Held", "holding", "letters_in", "looked_at"]

PREFETCH = 65_535
"""AMQP's largest; with none given, a quorum queue stops at 2,000 unacknowledged messages."""

IDLE_SECONDS = 2.0
"""Without a message for so long, it is asked whether there are any left."""

PATIENCE = 10
"""How often it is asked before those that are left are taken to be out of reach."""

RETURN_SECONDS = 5.0
"""How long it is waited for the next of the messages that were given back to be there again."""

POLL_SECONDS = 0.01

PART = 1_000
"""Messages that are given back by one method."""


class Held:
    """Takes the dead letters of ``queue`` one after the other, and holds each until it is settled.

    ``count``: how many there are at the start; no more are taken, so that a letter which comes back
    meanwhile is not met again.
    """

    def __init__(self, channel: Any, queue: str, *, slowly: bool = False) -> None:
        self.channel = channel
        self.queue = queue
        self.is_amqp = hasattr(channel, "send_method")
        self.count = self._ready()
        self._held: dict[int, None] = {}
        self._delivered = 0
        """What the broker counts as ours, also what was not reached yet."""
        # One by one, so that a replay which takes hours leaves the rest to others.
        self._pulls = slowly or not self.is_amqp
        self._arrived: deque[Any] = deque()
        self._consumers: list[str] = []
        self._gives_back = False

    def __iter__(self) -> Iterator[tuple[int, DeadLetter]]:
        """Yield the delivery tag and the letter of each message."""
        for number in range(self.count):
            raw = self._pulled() if self._pulls else self._pushed(number)
            if raw is None:
                return
            message = self.channel.message_to_python(raw)
            self._held[message.delivery_tag] = None
            yield message.delivery_tag, read_message(message)

    def __len__(self) -> int:
        """Return how many were reached, and are neither removed nor returned."""
        return len(self._held)

    def remove(self, delivery_tag: int) -> None:
        """Remove one message for good."""
        self.channel.basic_ack(delivery_tag)
        del self._held[delivery_tag]
        self._delivered -= 1

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        """Return all that is held to its places."""
        self._gives_back = True
        if not self.is_amqp:
            self.channel.basic_recover(requeue=True)
            return
        # First the consumers, else the queue pushes them at once what they return, out of order.
        for tag in self._consumers:
            self.channel.basic_cancel(tag)
        # A reject, or a channel that closes, counts towards the delivery limit of RabbitMQ 4's
        # quorum queues, and this queue has nowhere to dead-letter to; a nack does not.
        wanted = self._ready() + self._delivered
        # In parts: RabbitMQ 3.10's quorum queue stood still for minutes over 100,000 at once.
        for last in (*list(self._held)[PART - 1 :: PART], 0):
            self.channel.send_method(spec.Basic.Nack, "Lbb", (last, True, True))
        # A quorum queue does it a moment after the channel: the next who looks sees all of them.
        # For those that somebody takes meanwhile it is not waited.
        most, until = -1, 0.0
        while (ready := self._ready()) < wanted and (ready > most or time.monotonic() < until):
            if ready > most:
                most, until = ready, time.monotonic() + RETURN_SECONDS
            time.sleep(POLL_SECONDS)

    def _pulled(self) -> Any:
        raw = self.channel.basic_get(self.queue)
        self._delivered += raw is not None
        return raw

    def _pushed(self, number: int) -> Any:
        if number % PREFETCH == 0:
            # The limit is each consumer's.
            self.channel.basic_qos(0, PREFETCH, False)  # noqa: FBT003 - AMQP's signature
            self._consumers.append(self.channel.basic_consume(self.queue, callback=self._arrive))
        for _ in range(PATIENCE):
            with suppress(TimeoutError):
                while not self._arrived:
                    self.channel.connection.drain_events(timeout=IDLE_SECONDS)
            # A broker that is slow has some left; else somebody else has taken them.
            if self._arrived or not self._ready():
                break
        return self._arrived.popleft() if self._arrived else None

    def _ready(self) -> int:
        return int(self.channel.queue_declare(self.queue, passive=True).message_count)

    def _arrive(self, raw: Any) -> None:
        self._delivered += 1
        # What still arrives while a consumer is cancelled is not read; it goes back too.
        if not self._gives_back:
            self._arrived.append(raw)


@contextmanager
def holding(app: Celery, *, slowly: bool = False) -> Iterator[Held]:
    """Give the dead letters of ``app``; return what was not removed at the end of the block.

    ``slowly``: hold no more than those that were reached. Raises as :func:`connected`.
    """
    # The channel's end is answered once the broker has done all that was asked of it.
    with (
        connected(app) as (channel, queue),
        closing(channel),
        Held(channel, queue, slowly=slowly) as held,
    ):
        yield held


def looked_at(app: Celery) -> Iterator[DeadLetter]:
    """Yield each dead letter of ``app``, all of which stay. Raises as :func:`connected`."""
    with connected(app) as (channel, queue):
        yield from letters_in(channel, queue)


def letters_in(channel: Any, queue: str) -> Iterator[DeadLetter]:
    """Yield each letter in ``queue``, all of which stay; raises what ``channel`` raises."""
    if hasattr(channel, "browse"):
        # The embedded broker shows them without handing them out.
        yield from map(read_message, channel.browse(queue))
    else:
        with Held(channel, queue) as held:
            yield from (entry for _, entry in held)


@contextmanager
def connected(app: Celery) -> Iterator[tuple[Any, str]]:
    """Give a channel to the broker of ``app``, and the name of its dead-letter queue.

    Raises :class:`proj.errors.LettersUnreadable` where the broker or the queue is not there, or is
    lost meanwhile.
    """
    queue = dead_letter_queue_name(work_queue_settings(app).name)
    unreadable = partial(LettersUnreadable, queue)
    with channel_of(tolerate(app.connection_for_read()), unreadable) as channel:
        yield channel, queue

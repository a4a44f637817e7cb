"""A connection to the broker file: receives for its channels and hands out, woken or by itself."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from amqp.exceptions import ConsumerCancelled, RecoverableConnectionError

from proj.embedded import liveness, messages, timing
from proj.embedded.channel import Channel
from proj.embedded.consumer import Consumer
from proj.embedded.event_loop import LOOK_SECONDS, EventLoop
from proj.embedded.message import Delivery
from proj.embedded.registry import close_database
from proj.embedded.transaction import Transaction, now_ms
from proj.embedded.wake_up import Doorbell

if TYPE_CHECKING:
    from proj.embedded.database import Database


class Session:
    """What Kombu calls a connection, once established."""

    def __init__(self, database: Database, client: Any) -> None:
        self.client = client
        self.database = database
        self.channels: dict[int, Channel] = {}
        self.closed = False
        self.known_id: int | None = None
        """Its number, if it has needed one so far."""
        self._doorbell: Doorbell | None = None
        self._process = os.getpid()
        self._inbox: deque[tuple[Consumer, Delivery]] = deque()
        #: Handed to consumers that do not acknowledge, and not yet removed from the file.
        self._spent: list[int] = []
        self._next_look = 0.0
        self._due_ms: int | None = None
        self._receiving_thread: int | None = None
        self._hub: Any = None
        self._event_loop: EventLoop | None = None

    @property
    def id(self) -> int:
        """Its number in the file; the first use enrols it, for a mere publisher needs none."""
        self.require_open()
        if self.known_id is None:
            with self.database.lock:
                session_id = liveness.enrol(self.database)
                # Left over, if the file was made anew beside an old folder.
                self.database.doorbells.remove(session_id)
                self._doorbell = Doorbell(self.database.doorbells.address(session_id))
                self.known_id = session_id
            if self._hub is not None:
                self.register_with_event_loop(self._hub)
        return self.known_id

    @property
    def doorbell(self) -> Doorbell:
        """Where it is woken."""
        _ = self.id
        assert self._doorbell is not None  # noqa: S101  made with the number
        return self._doorbell

    def require_open(self) -> None:
        """Raise RecoverableConnectionError when closed; start over when forked since."""
        if self.closed:
            raise RecoverableConnectionError(
                f"The connection to {self.database.path} is closed: connect again"
            )
        if self._process != os.getpid():
            self._start_over_in_child()

    def channel(self) -> Channel:
        """Open a channel."""
        self.require_open()
        with self.database.lock:
            channel = Channel(self, max(self.channels, default=0) + 1)
            self.channels[channel.channel_id] = channel
        return channel

    def receive(self, settle: Callable[[Transaction], set[int]] | None = None) -> bool:
        """Claim what the consumers have room for, and say whether anything came.

        ``settle`` does its part (an acknowledgement, say) in the same transaction, and returns the
        queues to wake.
        """
        self.require_open()
        database = self.database
        with database.lock:
            if settle is None and not self._spent and not self._has_work():
                return False
            with database.write(durable=False) as transaction:
                reached = settle(transaction) if settle else set()
                messages.delete(transaction, self._spent)
                if self._due_ms is not None and self._due_ms <= transaction.now_ms:
                    reached |= timing.advance(transaction)
                claimed = self._claim(transaction)
            self._spent.clear()
            self._inbox.extend(claimed)
            for consumer, _ in claimed:
                consumer.waiting += 1
            database.wake(reached)
        # Whoever waits in the poll, or the event loop, has to come: to hand it out, or to see what
        # is due now that a consumer has room again.
        if self._receiving_thread != threading.get_ident():
            self.ring()
        return bool(claimed)

    def ring(self) -> None:
        """Make this session look at its queues."""
        if self._doorbell is not None:
            self.database.doorbells.ring_at(self._doorbell.address)

    def drain_events(self, timeout: float | None = None) -> None:
        """Hand out one message, waiting ``timeout`` seconds for it, or for ever.

        Raises TimeoutError (socket.timeout) when none came.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._receiving():
            while not self._hand_out():
                if self.receive():
                    continue
                now = time.monotonic()
                if now >= self._next_look:
                    self.look()
                if deadline is not None and now >= deadline:
                    raise TimeoutError("no message came")
                until = self._next_look if deadline is None else min(self._next_look, deadline)
                self.doorbell.wait(max(0.0, min(until - now, self.seconds_to_due())))

    @contextlib.contextmanager
    def _receiving(self) -> Iterator[None]:
        outer, self._receiving_thread = self._receiving_thread, threading.get_ident()
        try:
            yield
        finally:
            self._receiving_thread = outer

    def hand_out_all(self) -> bool:
        """Hand out what is there, one round of it; say whether there may be more."""
        with self._receiving():
            came = self.receive()
            for _ in range(len(self._inbox)):
                self._hand_out()
        return came or bool(self._inbox)

    def look(self) -> None:
        """Give back what the dead held, and tell consumers whose queue is gone."""
        self._next_look = time.monotonic() + LOOK_SECONDS
        liveness.reclaim_dead(self.database)
        with self.database.lock, self.database.read():
            gone = [
                consumer
                for consumer in self._consumers()
                if self.database.topology.queue_by_id(consumer.queue_id) is None
            ]
        for consumer in gone:
            consumer.channel.forget_consumer(consumer)
            if consumer.on_cancel is None:
                raise ConsumerCancelled(f"queue {consumer.queue_name!r} was deleted", (60, 30))
            consumer.on_cancel(consumer.tag)

    def return_waiting(self, transaction: Transaction, consumer: Consumer) -> set[int]:
        """Put what the consumer was never handed back to its place, as if never claimed."""
        waiting = [delivery.id for owner, delivery in self._inbox if owner is consumer]
        return messages.give_back(transaction, waiting, counted=0)

    def forget_waiting(self, consumer: Consumer) -> None:
        """Drop from memory what ``return_waiting`` put back."""
        self._inbox = deque(item for item in self._inbox if item[0] is not consumer)

    def forget_spent(self) -> None:
        """Remove from the file what was handed out for good."""
        if self._spent:
            self.receive()

    def register_with_event_loop(self, hub: Any) -> None:
        """Be served by Kombu's event loop from now on."""
        self._hub = hub
        # A connection that only publishes has nothing to be served.
        if self.known_id is not None and self._event_loop is None:
            self._event_loop = EventLoop(hub, self)

    def unregister_from_event_loop(self) -> None:
        """Be served by the event loop no more."""
        self._hub = None
        if self._event_loop is not None:
            self._event_loop.leave()
            self._event_loop = None

    def close(self) -> None:
        """Close every channel, give everything back and end the session."""
        if self.closed:
            return
        if self._process != os.getpid():
            self._start_over_in_child()
        try:
            self.unregister_from_event_loop()
            with self.database.lock:
                try:
                    for channel in list(self.channels.values()):
                        channel.close()
                finally:
                    if self.known_id is not None:
                        liveness.end(self.database, self.known_id)
        finally:
            self.closed = True
            if self._doorbell is not None:
                self._doorbell.close()
                self._doorbell.remove()
            close_database(self.database)

    def __del__(self) -> None:
        if not self.closed and self.known_id is not None and self._process == os.getpid():
            # No transaction here: garbage is collected in the midst of anything.
            self.database.abandoned.append(self.known_id)

    def _consumers(self) -> list[Consumer]:
        return [
            consumer
            for channel in self.channels.values()
            for consumer in channel.consumers.values()
        ]

    def _has_work(self) -> bool:
        hungry = [consumer for consumer in self._consumers() if consumer.capacity()]
        if not hungry:
            # What is due is not for this session now: it must not wait for it either.
            self._due_ms = None
            return False
        with self.database.read() as transaction:
            self._due_ms = timing.next_due_ms(transaction)
            if self._due_ms is not None and self._due_ms <= now_ms():
                return True
            return any(
                messages.ids(transaction, consumer.queue_id, messages.READY, 1)
                for consumer in hungry
            )

    def _claim(self, transaction: Transaction) -> list[tuple[Consumer, Delivery]]:
        claimed: list[tuple[Consumer, Delivery]] = []
        for consumer in self._consumers():
            room = consumer.capacity()
            if room and consumer.channel.shared_prefetch_count:
                # Room that consumers of one channel share is given away once.
                room -= sum(1 for other, _ in claimed if other.channel is consumer.channel)
            if room <= 0:
                continue
            deliveries = messages.claim(transaction, consumer.queue_id, room, self.id)
            claimed += [(consumer, delivery) for delivery in deliveries]
        return claimed

    def _hand_out(self) -> bool:
        with self.database.lock:
            if not self._inbox:
                return False
            consumer, delivery = self._inbox.popleft()
            consumer.waiting -= 1
            message = consumer.channel.hand_over(delivery, consumer, no_ack=consumer.no_ack)
            if consumer.no_ack:
                self._spent.append(delivery.id)
                if not self._inbox:
                    # Forgotten before it is handed out: without acknowledgement, no second time.
                    self.receive()
        consumer.callback(message)
        return True

    def seconds_to_due(self) -> float:
        """Return how long to wait at most for a delayed or an expiring message."""
        if self._due_ms is None:
            return LOOK_SECONDS
        return max(0.0, (self._due_ms - now_ms()) / 1000)

    def _start_over_in_child(self) -> None:
        # What was consumed and claimed belongs to the parent; the channels stay, to publish with.
        self._process = os.getpid()
        self.known_id = self._hub = self._event_loop = None
        self._inbox.clear()
        self._spent.clear()
        for channel in self.channels.values():
            channel.start_over_in_child()
        if self._doorbell is not None:
            self._doorbell.close()
            self._doorbell = None

"""The half of a channel that declares, binds, counts and deletes."""

# ruff: noqa: FBT001, FBT002, PLR0917  AMQP sets the signatures
from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from amqp.exceptions import PreconditionFailed, RecoverableConnectionError
from amqp.protocol import queue_declare_ok_t
from kombu.message import Message
from kombu.transport.base import StdChannel, to_rabbitmq_queue_arguments

from proj.embedded import declaring, liveness, messages, timing
from proj.embedded.properties import decode_properties
from proj.embedded.topology import Exchange, Queue
from proj.embedded.transaction import Transaction, now_ms

if TYPE_CHECKING:
    from proj.embedded.database import Database
    from proj.embedded.session import Session


class EntityChannel(StdChannel):
    """AMQP's operations on exchanges, queues and bindings; each is committed when it returns.

    What an operation raises is what py-amqp raises on RabbitMQ: NotFound (404), ResourceLocked
    (405), PreconditionFailed (406). ``nowait`` and other arguments of AMQP are accepted and have no
    effect.
    """

    def __init__(self, session: Session) -> None:
        self.connection: Session | None = session

    @property
    def session(self) -> Session:
        """The session of this channel; raises RecoverableConnectionError when it is closed."""
        if self.connection is None:
            raise RecoverableConnectionError("The channel is closed: open another")
        self.connection.require_open()
        return self.connection

    @property
    def database(self) -> Database:
        """The broker file."""
        return self.session.database

    def prepare_queue_arguments(self, arguments: Any, **kwargs: Any) -> Any:
        """Translate Kombu's queue options into the arguments that RabbitMQ knows."""
        return to_rabbitmq_queue_arguments(arguments, **kwargs)

    def exchange_declare(
        self,
        exchange: str,
        type: str = "direct",  # noqa: A002  AMQP's name
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = True,
        **_: Any,
    ) -> None:
        """Create the exchange if it does not exist, or compare it."""
        wanted = Exchange(exchange, type, durable=bool(durable), auto_delete=bool(auto_delete))
        with self.database.read() as transaction:
            if passive:
                declaring.require_exchange(transaction, exchange)
            if passive or transaction.topology.exchange(exchange) == wanted:
                return
        with self.database.write(durable=True) as transaction:
            declaring.declare_exchange(transaction, wanted)

    def exchange_delete(self, exchange: str, if_unused: bool = False, **_: Any) -> None:
        """Delete the exchange; with ``if_unused`` only one that has no bindings."""
        with self.database.write(durable=True) as transaction:
            bound = transaction.row("SELECT 1 FROM binding WHERE exchange = ?", (exchange,))
            if if_unused and bound:
                raise PreconditionFailed(f"PRECONDITION_FAILED - exchange {exchange!r} in use")
            declaring.delete_exchange(transaction, exchange)

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = True,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> queue_declare_ok_t:
        """Create the queue if it does not exist, or compare it; returns its name and counts.

        The count of messages is of those that can be delivered now; ``delayed_count`` has the rest.
        """
        self.bring_up_to_date()
        if passive:
            with self._reading(queue) as (transaction, found):
                return self._counts(transaction, found)
        wanted = Queue(
            id=0,
            name=queue or f"amq.gen-{uuid.uuid4()}",
            durable=bool(durable),
            auto_delete=bool(auto_delete),
            owner=self.session.id if exclusive else None,
            arguments=dict(arguments or {}),
        )
        with self.database.write(durable=True) as transaction:
            return self._counts(transaction, declaring.declare_queue(transaction, wanted))

    def queue_bind(
        self, queue: str, exchange: str = "", routing_key: str = "", arguments: Any = None, **_: Any
    ) -> None:
        """Route messages of the exchange to the queue."""
        with self.database.write(durable=True) as transaction:
            declaring.bind(transaction, queue, exchange, routing_key, arguments or {})

    def queue_unbind(
        self, queue: str, exchange: str = "", routing_key: str = "", arguments: Any = None, **_: Any
    ) -> None:
        """End what ``queue_bind`` began."""
        with self.database.write(durable=True) as transaction:
            declaring.unbind(transaction, queue, exchange, routing_key, arguments or {})

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **_: Any
    ) -> int:
        """Delete the queue and all in it; returns how many messages could have been delivered.

        A queue that does not exist is no error, as on RabbitMQ.
        """
        self.bring_up_to_date()
        with self.database.write(durable=True) as transaction:
            if transaction.topology.queue(queue) is None:
                return 0
            found = declaring.require_queue(transaction, queue, self.session.known_id)
            counts = self._counts(transaction, found)
            if (if_unused and counts.consumer_count) or (if_empty and counts.message_count):
                raise PreconditionFailed(
                    f"PRECONDITION_FAILED - queue {queue!r} has {counts.message_count} messages "
                    f"and {counts.consumer_count} consumers"
                )
            declaring.delete_queue(transaction, found.id)
            return int(counts.message_count)

    def queue_purge(self, queue: str, **_: Any) -> int:
        """Remove the messages that can be delivered now, and return their number.

        Delayed messages and those that a consumer holds stay.
        """
        self.bring_up_to_date()
        with self.database.write(durable=True) as transaction:
            found = declaring.require_queue(transaction, queue, self.session.known_id)
            return messages.purge(transaction, found.id)

    def delayed_count(self, queue: str) -> int:
        """Count the messages of the queue that are not due yet. Raises NotFound (404)."""
        self.bring_up_to_date()
        with self._reading(queue) as (transaction, found):
            return messages.count(transaction, found.id, messages.DELAYED)

    def state_of(self, queue: str) -> tuple[int, int | None]:
        """Return how many messages are unacknowledged, and the timestamp of the next one.

        In seconds since 1970, None where its publisher gave none. Raises NotFound (404).
        """
        with self._reading(queue) as (transaction, found):
            held = messages.count(transaction, found.id, messages.HELD)
            following = messages.first(transaction, found.id, 1)
        known = decode_properties(following[0].properties) if following else {}
        return held, known.get("timestamp")

    def bring_forward(self) -> bool:
        """Make the message that is due first due at once; return False where none is delayed."""
        with self.database.write(durable=False) as transaction:
            return timing.bring_forward(transaction)

    def browse(self, queue: str, *, delayed: bool = False) -> Iterator[Message]:
        """Yield the messages that could be delivered now, in order, and claim none of them.

        With ``delayed``, those that are not due yet instead. Each is read when it is reached; what
        was removed meanwhile is left out. Raises NotFound.
        """
        self.bring_up_to_date()
        state = messages.DELAYED if delayed else messages.READY
        with self._reading(queue) as (transaction, found):
            message_ids = messages.ids(transaction, found.id, state)
        for message_id in message_ids:
            with self.database.read() as transaction:
                delivery = messages.read(transaction, message_id)
            if delivery is not None:
                yield delivery.to_message(self, 0, None)

    def get_bindings(self) -> list[dict[str, str]]:
        """List every binding, in the form of Kombu's management interface."""
        with self.database.read() as transaction:
            rows = transaction.execute(
                "SELECT binding.exchange, binding.routing_key, queue.name FROM binding"
                " JOIN queue ON queue.id = binding.queue_id"
            ).fetchall()
        return [
            {"source": source, "routing_key": key, "destination": destination}
            for source, key, destination in rows
        ]

    def bring_up_to_date(self) -> None:
        """Do what the dead and the clock left to do, so that counts and conflicts are true."""
        liveness.reclaim_dead(self.database)
        with self.database.lock:
            while True:
                with self.database.read() as transaction:
                    due_ms = timing.next_due_ms(transaction)
                if due_ms is None or due_ms > now_ms():
                    return
                with self.database.write(durable=False) as transaction:
                    reached = timing.advance(transaction)
                self.database.wake(reached)

    @contextmanager
    def _reading(self, queue: str) -> Iterator[tuple[Transaction, Queue]]:
        with self.database.read() as transaction:
            known_id = self.session.known_id
            yield transaction, declaring.require_queue(transaction, queue, known_id)

    def _counts(self, transaction: Transaction, queue: Queue) -> queue_declare_ok_t:
        (consumers,) = transaction.row(
            "SELECT count(*) FROM consumer WHERE queue_id = ?", (queue.id,)
        )
        ready = messages.count(transaction, queue.id, messages.READY)
        return queue_declare_ok_t(queue.name, ready, consumers)

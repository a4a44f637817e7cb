"""A channel: AMQP's operations, as Kombu calls them, on the broker file."""

# ruff: noqa: ARG002, FBT001, FBT002, PLR0917  AMQP sets the signatures
from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from amqp.exceptions import ChannelError, PreconditionFailed
from kombu.message import Message

from proj.embedded import declaring, liveness, messages
from proj.embedded.consumer import Consumer
from proj.embedded.dead_lettering import dead_letter
from proj.embedded.entities import EntityChannel
from proj.embedded.message import Delivery, PreparedMessage
from proj.embedded.publishing import NO_ROUTE, Publication, PublishBatch, publish
from proj.embedded.transaction import Transaction

if TYPE_CHECKING:
    from proj.embedded.session import Session


class Channel(EntityChannel):
    """Publishes, consumes and settles; safe to use from several threads."""

    def __init__(self, session: Session, channel_id: int) -> None:
        super().__init__(session)
        self.channel_id = channel_id
        self.events: defaultdict[str, set[Callable[..., Any]]] = defaultdict(set)
        self.consumers: dict[str, Consumer] = {}
        #: Kombu's messages of these consumers are acknowledged already.
        self.no_ack_consumers: Any = set()
        #: The most messages that each consumer, and all together, may hold; 0 for no limit.
        self.prefetch_count = 0
        self.shared_prefetch_count = 0
        #: What was handed out and is not settled: delivery tag -> message number, consumer.
        self._held: dict[int, tuple[int, Consumer | None]] = {}
        self._delivery_tags = itertools.count(1)

    @property
    def is_open(self) -> bool:
        """Whether the channel can be used."""
        return self.connection is not None and not self.connection.closed

    def prepare_message(
        self,
        body: str | bytes,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> PreparedMessage:
        """Gather what Kombu's producer hands over."""
        given = {
            "content_type": content_type,
            "content_encoding": content_encoding,
            "application_headers": headers,
            "priority": priority,
            **(properties or {}),
        }
        if None in given.values():
            given = {name: value for name, value in given.items() if value is not None}
        return PreparedMessage(body, given)

    def message_to_python(self, message: Message) -> Message:
        """Return the message as it is: this channel delivers Kombu's own."""
        return message

    def basic_publish(
        self,
        message: PreparedMessage,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        **_: Any,
    ) -> None:
        """Publish one message; it is on the disk when this returns.

        Raises NotFound for an unknown exchange; for a mandatory message that no queue takes
        ChannelError (312), unless a ``basic_return`` handler wants it; MessageNacked for a full
        queue.
        """
        try:
            self.publish_batch([Publication(message, exchange, routing_key, bool(mandatory))])
        except ChannelError as error:
            handlers = self.events["basic_return"]
            if error.reply_code != NO_ROUTE or not handlers:
                raise
            for handler in handlers:
                handler(error, exchange, routing_key, message)

    def publish_batch(self, publications: Sequence[Publication]) -> None:
        """Publish many messages in one transaction: all of them or none. Raises as one publish."""
        publish(self.database, publications)

    def create_publish_batch(self, max_size: int) -> PublishBatch:
        """Return the collector that Kombu's ``Producer.batch`` publishes through."""
        return PublishBatch(self, max_size)

    def basic_qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False
    ) -> None:
        """Limit what each consumer may hold, or with ``apply_global`` all of the channel together.

        In messages, 0 for no limit; consumers that exist obey at once.
        """
        if apply_global:
            self.shared_prefetch_count = prefetch_count
        else:
            self.prefetch_count = prefetch_count
        self.session.ring()

    def basic_consume(
        self,
        queue: str,
        no_ack: bool = False,
        callback: Callable[[Message], Any] | None = None,
        consumer_tag: str | None = None,
        on_cancel: Callable[[str], Any] | None = None,
        **_: Any,
    ) -> str:
        """Have messages of the queue handed to ``callback``; returns the consumer tag."""
        session, database = self.session, self.database
        # Before the transaction: a session enrols in one of its own.
        session_id = session.id
        tag = consumer_tag or f"amq.ctag-{next(self._delivery_tags)}"
        with database.lock:
            with database.write(durable=False) as transaction:
                found = declaring.require_queue(transaction, queue, session_id)
                transaction.execute(
                    "INSERT OR REPLACE INTO consumer VALUES (?, ?, ?, ?)",
                    (session_id, self.channel_id, tag, found.id),
                )
                transaction.topology.changed()
            self.consumers[tag] = Consumer(
                self,
                tag,
                queue,
                found.id,
                bool(no_ack),
                callback or (lambda _message: None),
                on_cancel,
            )
            if no_ack:
                self.no_ack_consumers.add(tag)
        session.ring()
        return tag

    def basic_cancel(self, consumer_tag: str, **_: Any) -> None:
        """Give the consumer no more messages; what it holds stays with it until settled."""
        session, database = self.session, self.database
        with database.lock:
            consumer = self.consumers.get(consumer_tag)
            if consumer is None:
                return
            with database.write(durable=False) as transaction:
                reached = session.return_waiting(transaction, consumer)
                liveness.remove_consumers(transaction, session.id, (self.channel_id, consumer_tag))
            self.forget_consumer(consumer)
            database.wake(reached)
            session.forget_spent()

    def forget_consumer(self, consumer: Consumer) -> None:
        """Drop from memory a consumer that the file has no more."""
        self.consumers.pop(consumer.tag, None)
        self.session.forget_waiting(consumer)

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Message | None:
        """Return the next message of the queue, None when there is none."""
        self.bring_up_to_date()
        with self.database.lock:
            session_id = self.session.id  # before the transaction, as above
            with self.database.write(durable=False) as transaction:
                found = declaring.require_queue(transaction, queue, session_id)
                declaring.touch(transaction, found.id)
                deliveries = messages.claim(transaction, found.id, 1, session_id)
                if no_ack:
                    messages.delete(transaction, [delivery.id for delivery in deliveries])
            if not deliveries:
                return None
            return self.hand_over(deliveries[0], None, no_ack=no_ack)

    def hand_over(self, delivery: Delivery, consumer: Consumer | None, *, no_ack: bool) -> Message:
        """Turn what was claimed into a message; without ``no_ack`` it is held until settled."""
        tag = next(self._delivery_tags)
        if not no_ack:
            self._held[tag] = delivery.id, consumer
            if consumer is not None:
                consumer.unacknowledged += 1
        return delivery.to_message(self, tag, consumer.tag if consumer else None)

    def basic_ack(self, delivery_tag: int, multiple: bool = False, **_: Any) -> None:
        """Remove the message for good; committed, with what is claimed next, when this returns."""

        def acknowledge(transaction: Transaction, message_ids: list[int]) -> set[int]:
            messages.delete(transaction, message_ids)
            return set()

        upto = [tag for tag in self._held if tag <= delivery_tag or not delivery_tag]
        self._settle(upto if multiple else [delivery_tag], acknowledge)

    def basic_reject(self, delivery_tag: int, requeue: bool = False, **_: Any) -> None:
        """Give the message back to its position, or dead-letter it."""
        if requeue:
            self._settle([delivery_tag], self._give_back)
            return

        def reject(transaction: Transaction, message_ids: list[int]) -> set[int]:
            return dead_letter(transaction, message_ids, "rejected")

        self._settle([delivery_tag], reject)

    def basic_recover(self, requeue: bool = True, **_: Any) -> None:
        """Give every message that this channel holds back to its position."""
        self._settle(list(self._held), self._give_back)

    def flow(self, active: bool = True) -> None:
        """Accept AMQP's flow control, which a file needs none of."""

    def held_count(self) -> int:
        """Count the messages that consumers of this channel hold or are about to get."""
        return sum(
            consumer.waiting + consumer.unacknowledged for consumer in self.consumers.values()
        )

    def close(self) -> None:
        """Cancel the consumers and give back what the channel holds."""
        session = self.connection
        if session is None:
            return
        if not session.closed:
            with session.database.lock:
                for tag in list(self.consumers):
                    self.basic_cancel(tag)
                if self._held:
                    self._settle(list(self._held), self._give_back)
        session.channels.pop(self.channel_id, None)
        self.connection = None

    def start_over_in_child(self) -> None:
        """Drop what belongs to the parent process."""
        self.consumers.clear()
        self._held.clear()

    def _give_back(self, transaction: Transaction, message_ids: list[int]) -> set[int]:
        return messages.give_back(transaction, message_ids, counted=1)

    def _settle(
        self,
        delivery_tags: Sequence[int],
        settle: Callable[[Transaction, list[int]], set[int]],
    ) -> None:
        session = self.session
        with session.database.lock:
            unknown = [tag for tag in delivery_tags if tag not in self._held]
            if unknown:
                raise PreconditionFailed(
                    f"PRECONDITION_FAILED - unknown delivery tag {unknown[0]}: it was settled "
                    "before, or delivered on another channel",
                    (60, 80),
                )
            settled = {tag: self._held.pop(tag) for tag in delivery_tags}
            self._count(settled, -1)
            message_ids = [message_id for message_id, _ in settled.values()]
            try:
                session.receive(lambda transaction: settle(transaction, message_ids))
            except BaseException:
                # Nothing was committed: it is still held, and may be settled again.
                self._held.update(settled)
                self._count(settled, 1)
                raise

    def _count(self, settled: dict[int, tuple[int, Consumer | None]], change: int) -> None:
        for _, consumer in settled.values():
            if consumer is not None:
                consumer.unacknowledged += change

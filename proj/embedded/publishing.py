"""Messages accepted: routed, written and committed before the publisher's call returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from amqp.exceptions import ChannelError, MessageNacked

from proj.embedded import messages
from proj.embedded.dead_lettering import dead_letter
from proj.embedded.declaring import require_exchange
from proj.embedded.message import PreparedMessage
from proj.embedded.topology import Queue
from proj.embedded.transaction import Transaction

if TYPE_CHECKING:
    from proj.embedded.channel import Channel
    from proj.embedded.database import Database

RETURNED, NO_ROUTE = (60, 50), 312  # as AMQP numbers them
TRANSIENT = 1


class Publication(NamedTuple):
    """One message and where it goes."""

    message: PreparedMessage
    exchange: str = ""
    routing_key: str = ""
    mandatory: bool = False


def publish(database: Database, publications: Sequence[Publication]) -> None:
    """Commit all of them in one transaction, or none; they are on the disk when this returns.

    Transient messages (delivery mode 1) alone are not waited for on the disk.
    Raises NotFound (404) for an unknown exchange, ChannelError (312) for a mandatory message that
    no queue takes, MessageNacked for a full queue that refuses.
    """
    durable = any(
        each.message.properties.get("delivery_mode") != TRANSIENT for each in publications
    )
    with database.lock:
        if not durable:
            # Events that nobody listens to are frequent, and need no writing.
            with database.read() as transaction:
                if not any(_route(transaction, publication) for publication in publications):
                    return
        reached: set[int] = set()
        with database.write(durable=durable) as transaction:
            for publication in publications:
                reached |= _put(transaction, publication)
        database.wake(reached)


def _put(transaction: Transaction, publication: Publication) -> set[int]:
    queues = _route(transaction, publication)
    limited = [queue for queue in queues if "x-max-length" in queue.arguments]
    for queue in limited:
        _require_room(transaction, queue)
    exchange, routing_key = publication.exchange, publication.routing_key
    messages.put(transaction, queues, publication.message, exchange, routing_key)
    reached = {queue.id for queue in queues}
    for queue in limited:
        excess = (
            messages.count(transaction, queue.id, messages.READY) - queue.arguments["x-max-length"]
        )
        oldest = messages.first(transaction, queue.id, max(excess, 0))
        reached |= dead_letter(transaction, [delivery.id for delivery in oldest], "maxlen")
    return reached


def _route(transaction: Transaction, publication: Publication) -> list[Queue]:
    exchange = require_exchange(transaction, publication.exchange)
    headers = publication.message.headers
    queues = transaction.topology.route(exchange, publication.routing_key, headers)
    if not queues and publication.mandatory:
        raise ChannelError(
            f"NO_ROUTE: no queue takes routing key {publication.routing_key!r} of exchange "
            f"{publication.exchange!r}: declare and bind one first",
            RETURNED,
            reply_code=NO_ROUTE,
        )
    return queues


def _require_room(transaction: Transaction, queue: Queue) -> None:
    limit = queue.arguments["x-max-length"]
    if queue.arguments.get("x-overflow") == "reject-publish":
        waiting = messages.count(transaction, queue.id, messages.READY)
        if waiting >= limit:
            raise MessageNacked(
                f"Queue {queue.name!r} is full ({waiting} messages, x-max-length {limit}) and "
                "refuses more: start consumers, then publish again"
            )


class PublishBatch:
    """Collects what Kombu's ``Producer.batch`` publishes, and commits it ``max_size`` at a time."""

    def __init__(self, channel: Channel, max_size: int) -> None:
        self.channel = channel
        self._max_size = max_size
        self._waiting: list[Publication] = []

    def publish(
        self,
        message: PreparedMessage,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,  # noqa: FBT001, FBT002  AMQP's signature
        **_: Any,
    ) -> None:
        """Keep the message until the batch is full or flushed."""
        self._waiting.append(Publication(message, exchange, routing_key, mandatory))
        if len(self._waiting) >= self._max_size:
            self.flush()

    def flush(self) -> None:
        """Commit what is waiting, all or nothing."""
        if self._waiting:
            self.channel.publish_batch(self._waiting)
        self.discard()

    def discard(self) -> None:
        """Drop what is waiting."""
        self._waiting = []

    close = discard

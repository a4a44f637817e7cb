"""Sends messages ahead of the broker's answers, a bounded number of them, and notes each answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from amqp import exceptions
from amqp.exceptions import ChannelError, MessageNacked
from celery import Celery
from kombu.exceptions import OperationalError

from proj.broker import deadline
from proj.broker.channel import Blocked, failure_of
from proj.broker.confirms import Answer, Published
from proj.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    PublishError,
    Refused,
    Unroutable,
    Unwritable,
)
from proj.publishing.failures import destination
from proj.publishing.outcomes import Outcomes
from proj.publishing.prepared import Encoder
from proj.publishing.task_message import TaskMessage

__all__ = ["CHUNK", "OneByOne", "way_to"]

CHUNK = 250
"""Messages that are sent at once, and on the embedded broker committed at once.

On RabbitMQ twice as many may be without an answer; more of them publish no faster.
"""

LOST = (OSError, exceptions.ConnectionError, ChannelError, MessageNacked, OperationalError)


def way_to(app: Celery, producer: Any, outcomes: Outcomes, seconds: float) -> OneByOne:
    """Return the fastest safe way to the broker of ``producer``.

    ``seconds`` is how long the broker may answer nothing.
    """
    ways = {"amqp": Pipelined, "sqlite": InTransactions}
    way = ways.get(producer.connection.transport.driver_type, OneByOne)
    return way(app, producer, outcomes, seconds)


class OneByOne:
    """Publishes each message as ``apply_async`` does; the faster ways end all trouble so, too."""

    def __init__(self, app: Celery, producer: Any, outcomes: Outcomes, seconds: float) -> None:
        self.app = app
        self.producer = producer
        self.outcomes = outcomes
        self.seconds = seconds
        self.ended: str | None = None
        """Why nothing more is sent: the broker does not answer."""
        self._unsent: deque[TaskMessage] = deque()
        self._settled: deque[tuple[TaskMessage, PublishError | None]] = deque()
        """Those with an outcome that nobody has been told of."""

    def publish(self, chunk: Sequence[TaskMessage]) -> None:
        """Publish the messages; the last ones may get their outcome in the next call."""
        self._unsent.extend(chunk)
        self._advance(CHUNK)

    def finish(self) -> None:
        """Give every message its outcome."""
        self._advance(0)

    def _advance(self, unanswered: int) -> None:  # noqa: ARG002 - for those that send ahead
        self._publish_singly()

    def _publish_singly(self) -> None:
        while self._unsent:
            message = self._unsent[0]
            if self.ended is None:
                error = self._publish_one(message)
            else:
                error = self._error(BrokerUnavailable, message, self.ended)
            self.outcomes.add(self._unsent.popleft(), error)

    def _tell_settled(self) -> None:
        # Never where LOST is caught: an OSError of on_outcome is no lost connection.
        while self._settled:
            self.outcomes.add(*self._settled.popleft())

    def _publish_one(self, message: TaskMessage) -> PublishError | None:
        try:
            with deadline.within(self.seconds):
                message.publish(self.app, self.producer)
        except OperationalError as error:
            failure: PublishError = error
            if not isinstance(error, PublishError):
                # Of the result backend rpc://, which declares its queue before.
                failure = self.producer.failure(error, message.options)
            if not isinstance(failure, (Refused, Unroutable, Unwritable)):
                self.ended = failure.reason
            return failure
        return None

    def _error(self, kind: type[PublishError], message: TaskMessage, reason: str) -> PublishError:
        where = destination(message.options, message.options["routing_key"])
        return kind(self.producer.connection.as_uri(), reason, **where)


class InTransactions(OneByOne):
    """Commits a chunk in one transaction of the embedded broker."""

    def _advance(self, unanswered: int) -> None:  # noqa: ARG002 - a commit is the answer
        try:
            if self.ended is None:
                self._commit()
        except LOST:
            # Nothing is committed. One of them is at fault: singly, each gets its own answer.
            pass
        self._tell_settled()
        self._publish_singly()

    def _commit(self) -> None:
        batch = self.producer.channel.create_publish_batch(CHUNK + 1)
        encode = Encoder(self.app, self.producer)
        for message in self._unsent:
            batch.publish(*encode(message))
        batch.flush()
        committed = list(self._unsent)
        self._unsent.clear()
        self._settled.extend((message, None) for message in committed)
        for message in committed:
            message.tell_published(self.app, self.producer)


class Pipelined(OneByOne):
    """Keeps a window of messages under way to RabbitMQ, each matched with its confirm."""

    def __init__(self, app: Celery, producer: Any, outcomes: Outcomes, seconds: float) -> None:
        super().__init__(app, producer, outcomes, seconds)
        self._under_way: deque[tuple[TaskMessage, Published]] = deque()

    def _advance(self, unanswered: int) -> None:
        try:
            if self.ended is None:
                self._send()
                self._wait(unanswered)
        except LOST as error:
            self._recover(error)
        self._tell_settled()
        self._publish_singly()

    def _send(self) -> None:
        if not self._unsent:
            return
        with deadline.within(self.seconds):
            encode = Encoder(self.app, self.producer)
            # All of them before the first is sent, since what is declared is waited for.
            encoded = [encode(message) for message in self._unsent]
            for published in self.producer.channel.send_all(encoded):
                self._under_way.append((self._unsent.popleft(), published))

    def _wait(self, unanswered: int) -> None:
        while True:
            # What has been answered so far may have been read before, by sending.
            while self._under_way and self._under_way[0][1].answer is not None:
                self._settle_first(self._answered(*self._under_way[0]))
            if len(self._under_way) <= unanswered:
                return
            with deadline.within(self.seconds):
                self.producer.channel.read_answers()

    def _answered(self, message: TaskMessage, published: Published) -> PublishError | None:
        """Return what the broker's answer means; None where it holds the message."""
        failure = failure_of(published, self.producer.connection)
        if failure is None:
            return None
        if published.answer is Answer.CLOSED:
            # One of the messages under way is at fault: singly, each gets its own answer.
            return self._publish_again(message, str(failure))
        refused: PublishError = self.producer.failure(failure, message.options)
        return refused

    def _settle_first(self, error: PublishError | None) -> None:
        message, published = self._under_way.popleft()
        self._settled.append((message, error))
        if published.answer is Answer.HELD:
            message.tell_published(self.app, self.producer)

    def _recover(self, error: BaseException) -> None:
        """Publish again, singly, what was under way; or end, where the broker does not answer."""
        if not isinstance(error, ChannelError):
            self.producer.drop_connection(unless_blocked=True)
        if isinstance(error, Blocked):  # it has been waited for until the deadline
            self.ended = self.producer.failure(error, self._unsent[0].options).reason
        while self._under_way:
            message, published = self._under_way[0]
            if published.answer is not None:
                self._settle_first(self._answered(message, published))
                continue
            reason = self.producer.failure(error, message.options).reason
            if isinstance(error, TimeoutError) or not message.options["retry"]:
                self.ended = self.ended or reason
            self._settle_first(self._publish_again(message, reason))

    def _publish_again(self, message: TaskMessage, reason: str) -> PublishError | None:
        """Publish singly what the broker may hold already; ``reason`` is why nobody knows."""
        error = None
        if self.ended is None:
            error = self._publish_one(message)
            if error is None or isinstance(error, (Unroutable, Unwritable)):
                return error
        return self._error(OutcomeUnknown, message, error.reason if error else reason)

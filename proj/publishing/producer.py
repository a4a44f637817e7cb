"""Publishes one message: confirmed, again after a lost connection, and never past its deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from inspect import signature
from itertools import chain, repeat
from types import TracebackType
from typing import TYPE_CHECKING, Any

import kombu
from amqp import exceptions
from amqp.exceptions import (
    ChannelError,
    IrrecoverableConnectionError,
    MessageNacked,
    RecoverableConnectionError,
)
from kombu.entity import TRANSIENT_DELIVERY_MODE, Exchange
from kombu.exceptions import OperationalError

from proj.broker import deadline
from proj.broker.channel import Blocked, Unconfirmed
from proj.errors import BrokerUntrusted, PublishError, Refused, Unroutable, Unwritable
from proj.publishing.failures import as_publish_error, destination

if TYPE_CHECKING:
    from proj.publishing.task_message import TaskMessage

__all__ = ["DefaultExchange", "Producer"]

PAUSE_SECONDS = 0.2
"""Between attempts, from the third on: some brokers take each connection and break it."""

REFUSED_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8)
"""After each ``basic.nack``; with several brokers the last one again until the deadline."""

POSITIONAL = tuple(signature(kombu.Producer.publish).parameters)[3:]
"""What may follow ``body`` and ``routing_key`` by position."""


class DefaultExchange(Exchange):
    """The default exchange, of which nothing belongs to a channel."""

    def __call__(self, *_: Any, **__: Any) -> DefaultExchange:
        """Return itself, where Kombu makes a copy for each channel: that is, for each publish."""
        return self


class Producer(kombu.Producer):
    """What Celery's producer pool holds: Kombu's producer, whose ``publish`` keeps the promise."""

    def __init__(self, channel: Any, exchange: Any = None, *arguments: Any, **options: Any) -> None:
        self.exchange_is_default = not exchange
        super().__init__(channel, exchange or DefaultExchange(), *arguments, **options)

    def publish(
        self,
        body: Any,
        routing_key: str | None = None,
        *more: Any,
        retry: bool = False,
        retry_policy: Any = None,
        **options: Any,
    ) -> Any:
        """Publish ``body``; return once the broker holds it.

        With ``retry``, a message whose connection is lost is published again, until the deadline,
        not at all with ``max_retries`` 0 in ``retry_policy``; the rest of that counts for other
        brokers than RabbitMQ only.
        Raises :class:`proj.errors.PublishError`, and what Kombu says of a ``body`` that it cannot
        encode.
        """
        options.update(zip(POSITIONAL, more, strict=False), routing_key=routing_key)
        policy = {
            "retry": options.pop("retry", retry),
            "retry_policy": options.pop("retry_policy", retry_policy),
        }
        if any(_is_transient(entity) for entity in options.get("declare") or ()):
            # A remote control command or its answer: no more lasting than the exchange it goes to.
            options.setdefault("delivery_mode", TRANSIENT_DELIVERY_MODE)
        publish = partial(super().publish, body, **options)
        again = partial(publish, **policy) if _may_retry(policy) else None
        return self._keep_promise(publish, again, options)

    def publish_prepared(self, message: TaskMessage) -> None:
        """Publish a message that needs no preparing by Kombu; raises as :meth:`publish`."""
        options = message.options
        again = partial(super().publish, message.body, **options) if _may_retry(options) else None
        self._keep_promise(partial(self._hand_over, message), again, options)

    def _hand_over(self, message: TaskMessage) -> None:
        assert message.preparing is not None  # noqa: S101 - as the caller has seen
        channel = self.channel
        prepared, exchange, routing_key, mandatory = message.preparing(channel, message)
        for entity in message.options["declare"] or ():
            self.maybe_declare(entity)
        channel.basic_publish(
            prepared, exchange=exchange, routing_key=routing_key, mandatory=mandatory
        )

    def _keep_promise(
        self, publish: Callable[[], Any], again: Callable[[], Any] | None, options: dict[str, Any]
    ) -> Any:
        """Call ``publish``; where that fails, try again if there is an ``again``, Kombu's own."""
        if not getattr(self.connection, "is_amqp", False):
            return self._publish_as_kombu(publish, again, options)
        with deadline.within_fallback():
            return self._publish_until_deadline(publish, options, retry=again is not None)

    def revive(self, channel: Any) -> None:
        """Publish on ``channel``, or on the default channel of a connection."""
        # Kombu puts that off, by two objects; for each publish, since the pool parts the two.
        if self.exchange_is_default and getattr(channel, "has_default_channel", False):
            self.__connection__, self._channel = channel, channel.default_channel
        else:
            super().revive(channel)

    def maybe_declare(self, entity: Any, *arguments: Any, **options: Any) -> Any:
        """Declare ``entity`` as Kombu does, without a copy of it where that was done before."""
        channel = self.channel
        if channel is None or channel.connection is None:
            # Kombu would take it for an error of the channel, which the message has caused.
            raise RecoverableConnectionError("the connection is closed")
        client = channel.connection.client
        if entity and entity.can_cache_declaration and hash(entity) in client.declared_entities:
            return False
        return super().maybe_declare(entity, *arguments, **options)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the producer back; its connection is replaced if it may be broken."""
        connection = self.connection
        if isinstance(error, (Unroutable, Refused)):
            # The connection is sound. What was declared on it may be gone, so it is declared again.
            connection.declared_entities.clear()
            self.release()
        elif isinstance(error, PublishError) and getattr(connection, "blocked_because", None):
            # Kept, it tells of the broker's recovery, and lets nothing be sent until then.
            self.release()
        else:
            super().__exit__(kind, error, traceback)

    def _publish_until_deadline(
        self, publish: Callable[[], Any], options: dict[str, Any], *, retry: bool
    ) -> Any:
        perhaps_held = False
        pause_seconds = 0.0
        refused_pauses = self._refused_pauses() if retry else iter(())
        while True:
            try:
                return publish()
            except (BrokerUntrusted, ChannelError) as error:
                raise self.failure(error, options, perhaps_held=perhaps_held) from error
            except Unwritable:
                # Half a frame may be written, so the channel has dropped its connection.
                self.drop_connection(unless_blocked=False)
                raise
            except MessageNacked as error:
                failure = self.failure(error, options, perhaps_held=perhaps_held)
                self._drop_channel()
                refused_pause = next(refused_pauses, None)
                if refused_pause is None or (deadline.remaining() or 0.0) <= refused_pause:
                    raise failure from error
                time.sleep(refused_pause)
                continue
            except (OSError, exceptions.ConnectionError) as error:
                perhaps_held = perhaps_held or isinstance(error, Unconfirmed)
                failure = self.failure(error, options, perhaps_held=perhaps_held)
                self.drop_connection(unless_blocked=isinstance(error, (Blocked, Unconfirmed)))
                final = not retry or isinstance(error, (Blocked, IrrecoverableConnectionError))
                if final or (deadline.remaining() or 0.0) <= pause_seconds:
                    raise failure from error
            time.sleep(pause_seconds)
            pause_seconds = PAUSE_SECONDS

    def _publish_as_kombu(
        self, publish: Callable[[], Any], again: Callable[[], Any] | None, options: dict[str, Any]
    ) -> Any:
        try:
            return publish()
        except Exception as error:
            connection = self.connection
            lost = (OperationalError, *connection.connection_errors)
            refused = (MessageNacked, *connection.channel_errors)
            if not isinstance(error, (*lost, *refused)):
                raise
            if again is None or not isinstance(error, lost):
                raise self.failure(error, options) from error
        try:
            # Kombu's way to try again costs something even where nothing fails.
            return again()
        except (*lost, *refused) as error:
            raise self.failure(error, options) from error

    def failure(
        self, error: BaseException, options: dict[str, Any], *, perhaps_held: bool = False
    ) -> PublishError:
        """Return what ``error`` means for the message with these ``options`` of its publish."""
        blocked = getattr(self.connection, "blocked_because", None)
        if blocked and isinstance(error, TimeoutError):
            error = Blocked(blocked)
        where = destination(options, options["routing_key"])
        return as_publish_error(error, self.connection.as_uri(), where, perhaps_held=perhaps_held)

    def _refused_pauses(self) -> Iterator[float]:
        # A full queue refuses, and one without a leader, which a cluster may take long to elect.
        until_deadline = repeat(REFUSED_PAUSES_SECONDS[-1]) if self.connection.alt else ()
        return chain(REFUSED_PAUSES_SECONDS, until_deadline)

    def _drop_channel(self) -> None:
        # RabbitMQ 3.10 goes on refusing on a channel that met a quorum queue without a leader.
        self.connection.revive(None)
        self.revive(self.__connection__)

    def drop_connection(self, *, unless_blocked: bool) -> None:
        """Leave a connection that may be broken; the next publish opens another."""
        # A blocked connection that is kept tells of the broker's recovery; one that is dropped
        # stays open on the broker until then, with the message in it.
        if unless_blocked and self.connection.blocked_because:
            return
        self.connection.collect()
        if self.__connection__ is not None:
            self.revive(self.__connection__)


def _may_retry(options: Mapping[str, Any]) -> bool:
    return bool(options["retry"]) and (options["retry_policy"] or {}).get("max_retries") != 0


def _is_transient(entity: Any) -> bool:
    return isinstance(entity, Exchange) and entity.delivery_mode == TRANSIENT_DELIVERY_MODE

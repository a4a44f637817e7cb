"""An AMQP channel that waits for the broker's answer to each message that must not be lost."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from amqp import exceptions, spec
from amqp.exceptions import ChannelError, MessageNacked, RecoverableConnectionError
from kombu.entity import TRANSIENT_DELIVERY_MODE
from kombu.transport import pyamqp

from proj.broker import deadline
from proj.broker.confirms import Answer, Confirms, Published
from proj.broker.frames import acknowledgement, frames_of
from proj.broker.message import Message
from proj.errors import Unroutable, Unwritable

__all__ = ["Blocked", "Channel", "Returned", "Unconfirmed", "destination_of", "failure_of"]


ANSWER_SECONDS = 20.0
"""How long the broker may take to answer a method; electing a queue's leader takes seconds."""


NOT_AMQP = (struct.error, exceptions.FrameSyntaxError, TypeError, UnicodeError)
"""What py-amqp raises as it writes a property that is too large or of a type that AMQP lacks."""


LATE = (spec.Basic.Ack, spec.Basic.Nack, spec.Basic.Deliver)
"""What the broker may have sent before it read of a channel's end; a delivery goes back."""


class Blocked(RecoverableConnectionError):
    """The broker takes no messages now (memory or disk alarm); nothing was sent."""


class Unconfirmed(RecoverableConnectionError):
    """The message was sent, and no answer came: the broker may hold it or not."""


class Returned(Unroutable, ChannelError):
    """The broker gave the message back: no queue took it."""


class Channel(pyamqp.Channel):
    """Kombu's AMQP channel, in confirm mode from its first message on."""

    _confirm_selected: bool

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._confirms = Confirms()
        super().__init__(*arguments, **options)

    def prepare_message(self, *arguments: Any, **options: Any) -> Message:
        """Return the message that Kombu describes."""
        message: Message = super().prepare_message(*arguments, **options, _Message=Message)
        return message

    def basic_publish(  # noqa: PLR0917 - py-amqp's signature
        self,
        msg: Any,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,  # noqa: FBT001, FBT002 - py-amqp's signature
        immediate: bool = False,  # noqa: FBT001, FBT002 - as above
        timeout: float | None = None,
        confirm_timeout: float | None = None,
    ) -> None:
        """Publish ``msg``; return once the broker holds it.

        A transient message to an exchange, such as an event, is sent and not waited for.
        Raises :class:`Returned`, ``MessageNacked``, :class:`Unconfirmed`, or another error of the
        connection where nothing was sent; within the deadline, and ``confirm_timeout`` if sooner.
        """
        limit = confirm_timeout or timeout
        with deadline.within(limit) if limit else deadline.within_fallback():
            transient = msg.properties.get("delivery_mode") == TRANSIENT_DELIVERY_MODE
            awaited = mandatory or not transient or not exchange
            self._prepare(awaited=awaited)
            self._write((0, exchange, routing_key, mandatory, immediate), msg)
            published = self._confirms.published(exchange, routing_key, msg.properties)
            if awaited:
                self.wait_for(published)

    def send_all(self, messages: Iterable[tuple[Any, str, str, bool]]) -> Iterator[Published]:
        """Write messages (each with exchange, routing key, ``mandatory``), and yield each of them.

        They go out in few writes, the last one at the end of the iteration. Their answers come to
        :meth:`wait_for` and :meth:`read_answers`. Raises what :meth:`basic_publish` raises where
        nothing was sent.
        """
        self._prepare(awaited=True)
        try:
            with self._connection().transport.corked():
                for msg, exchange, routing_key, mandatory in messages:
                    self._write((0, exchange, routing_key, mandatory, False), msg)
                    yield self._confirms.published(exchange, routing_key, msg.properties)
        except BaseException:
            # What is counted may not be written, and the broker counts on its own.
            self._drop_connection()
            raise

    def wait_for(self, published: Published) -> None:
        """Return once the broker holds what was sent; raises as :meth:`basic_publish`."""
        confirms = self._confirms
        try:
            while published.answer is None:
                self._connection().drain_events()
        except ChannelError as error:
            # The broker closed the channel, and does not hold what it had not answered. It was
            # because of this message if that was the only one, else it is worth another try.
            if len(confirms) > 1:
                raise RecoverableConnectionError(str(error)) from error
            raise
        except TimeoutError as error:
            blocked = self.connection.blocked_because
            told = f"it takes no messages, being {blocked}" if blocked else "no answer in time"
            raise Unconfirmed(told) from error
        except (OSError, exceptions.ConnectionError) as error:
            raise Unconfirmed(str(error)) from error
        except BaseException:
            # Such as a time limit's signal: half a frame may be read.
            self._drop_connection()
            raise
        failure = failure_of(published, self.connection.client)
        if failure is not None:
            raise failure

    def read_answers(self) -> None:
        """Wait for the broker and take in what it has answered.

        Raises ``TimeoutError`` at the deadline, and the errors of a lost connection or channel. An
        interrupted wait loses nothing.
        """
        if not self._connection().transport.readable(deadline.remaining()):
            raise TimeoutError("timed out")
        try:
            while self._connection().transport.readable():
                self.connection.blocking_read()
        except (OSError, exceptions.AMQPError):
            raise
        except BaseException:
            self._drop_connection()
            raise

    basic_publish_confirm = basic_publish
    """What py-amqp puts in the place of ``basic_publish`` for the option ``confirm_publish``."""

    def basic_ack(
        self,
        delivery_tag: int,
        multiple: bool = False,  # noqa: FBT001, FBT002 - py-amqp's signature
        argsig: str = "Lb",  # noqa: ARG002 - as above
    ) -> None:
        """Acknowledge a delivery."""
        connection = self._connection()
        connection.transport.write(
            acknowledgement(self.channel_id, delivery_tag, multiple=multiple)
        )
        connection.bytes_sent += 1

    def wait(
        self,
        method: Any,
        callback: Any = None,
        timeout: float | None = None,
        returns_tuple: bool = False,  # noqa: FBT001, FBT002 - py-amqp's signature
    ) -> Any:
        """Wait for the broker's answer to a method, such as ``basic.consume-ok``.

        Raises ``TimeoutError`` and drops the connection where none comes within the deadline, or
        within ``ANSWER_SECONDS``: py-amqp waits without end, and a worker whose network or quorum
        queue is gone then stands still for ever.
        """
        with deadline.within_fallback(ANSWER_SECONDS):
            try:
                return super().wait(method, callback, timeout, returns_tuple)
            except TimeoutError:
                self._drop_connection()
                raise

    def _prepare(self, *, awaited: bool) -> None:
        """Read what has come since, wait while the broker is blocked, go into confirm mode."""
        while self._connection().transport.readable():
            # A channel error here tells of an earlier message that nobody waited for; the channel
            # is open anew.
            with suppress(ChannelError):
                self.connection.blocking_read()
        if self._connection().blocked_because is not None:
            self._wait_until_unblocked(awaited=awaited)
        if not self._confirm_selected:
            self.confirm_select()
            self._confirm_selected = True

    def _wait_until_unblocked(self, *, awaited: bool) -> None:
        try:
            while awaited and self._connection().blocked_because is not None:
                self.connection.drain_events()
        except TimeoutError:
            awaited = False
        if not awaited:
            raise Blocked(self.connection.blocked_because)

    def _write(self, arguments: tuple[Any, ...], msg: Any) -> None:
        client = self.connection.client
        try:
            frames = frames_of(self.channel_id, arguments, msg, self.connection.frame_max)
            if frames is None:
                self.send_method(spec.Basic.Publish, "Bssbb", arguments, msg)
            else:
                self.connection.transport.write(frames)
                # py-amqp sends a heartbeat where this has not grown.
                self.connection.bytes_sent += 1
        except BaseException as error:
            # Half a frame may be written, and nothing can follow it on this connection.
            self._drop_connection()
            if isinstance(error, NOT_AMQP):
                to = destination_of(msg.properties.get("correlation_id"), *arguments[1:3])
                raise Unwritable(client.as_uri(), str(error), **to) from error
            raise

    def _connection(self) -> Any:
        connection = self.connection
        if connection is None or not connection.connected:
            raise RecoverableConnectionError("the connection is closed")
        return connection

    def _drop_connection(self) -> None:
        if self.connection is not None:
            self.connection.collect()

    def dispatch_method(self, method_sig: Any, payload: Any, content: Any) -> Any:
        """Dispatch what the broker sent; py-amqp warns of what comes while a channel is closing."""
        if not (self.is_closing and method_sig in LATE):
            super().dispatch_method(method_sig, payload, content)

    def _do_revive(self) -> None:
        # After a channel error the channel is opened anew, and the broker counts from 1 again.
        self._confirms.close()
        self._confirms = Confirms()
        super()._do_revive()

    def _on_basic_ack(self, delivery_tag: int, multiple: bool) -> None:  # noqa: FBT001 - py-amqp's signature
        self._confirms.settle(delivery_tag, Answer.HELD, multiple=multiple)
        super()._on_basic_ack(delivery_tag, multiple)

    def _on_basic_nack(self, delivery_tag: int, multiple: bool) -> None:  # noqa: FBT001 - as above
        self._confirms.settle(delivery_tag, Answer.REFUSED, multiple=multiple)
        super()._on_basic_nack(delivery_tag, multiple)

    def _on_basic_return(
        self, reply_code: int, reply_text: str, exchange: str, routing_key: str, message: Any
    ) -> None:
        # py-amqp raises here, before the basic.ack of the same message has come.
        self._confirms.give_back(reply_text, exchange, routing_key, message.properties)
        if self.events.get("basic_return"):
            super()._on_basic_return(reply_code, reply_text, exchange, routing_key, message)


def failure_of(published: Published, client: Any) -> BaseException | None:
    """Return what the answer to what ``client`` has sent means: None where the broker holds it."""
    if published.answer is Answer.HELD:
        return None
    failure: BaseException = RecoverableConnectionError("the broker closed the channel")
    if published.answer is Answer.REFUSED:
        failure = MessageNacked()
    if published.answer is Answer.RETURNED:
        task_id = published.properties.get("correlation_id")
        to = destination_of(task_id, published.exchange, published.routing_key)
        failure = Returned(client.as_uri(), str(published.return_text), **to)
    return failure


def destination_of(task_id: Any, exchange: str, routing_key: str | None) -> dict[str, str | None]:
    """Return what a :class:`proj.errors.PublishError` tells of a message's destination."""
    return {
        "task_id": task_id and str(task_id),
        "queue": None if exchange else routing_key,
        "exchange": exchange,
        "routing_key": routing_key,
    }

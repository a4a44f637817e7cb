"""Lets a worker survive bytes that break py-amqp's own decoding, below Celery and below Kombu.

Stock, one message with such bytes ends every worker that is given it. Here it arrives, marked with
the error, and its bytes are kept for the dead letter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from struct import pack
from typing import Any

import amqp
from amqp import spec
from amqp.method_framing import frame_handler

from proj.dead_letters import properties
from proj.dead_letters.copying import Original

__all__ = ["decode_error", "keep_original", "original_of", "tolerate"]


def tolerate(connection: Any) -> Any:
    """Make the AMQP connections that the Kombu ``connection`` opens tolerant; return it."""
    get_transport_class = connection.get_transport_cls
    # Asked each time that a transport is made, so a switch to another broker keeps it.
    connection.get_transport_cls = lambda: _tolerant_transport(get_transport_class())
    return connection


def keep_original(message: Any) -> None:
    """Keep what ``message`` (Kombu's) is now: its headers and body are about to be replaced."""
    message.original = original_of(message)


def original_of(message: Any) -> Original:
    """Return the bytes of ``message`` (Kombu's) as they were delivered."""
    kept: Original | None = getattr(message, "original", None)
    raw = getattr(message, "raw", None)
    if kept is None and raw is not None:
        return Original(bytes(raw.original_body), bytes(raw.raw_properties))
    return kept or _written(message)


def _written(message: Any) -> Original:
    """Return a message of another transport as AMQP writes it; Kombu has decompressed its body."""
    headers = {key: value for key, value in message.headers.items() if key != "compression"}
    texts = ("correlation_id", "reply_to", "message_id", "type", "app_id")
    names = (*texts, "delivery_mode", "priority")
    written = amqp.basic_message.Message(
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        application_headers=headers,
        **{name: message.properties.get(name) for name in names},
    )
    body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
    return Original(body, written._serialize_properties())  # noqa: SLF001 - py-amqp writes properties nowhere else


def decode_error(message: Any) -> Exception | None:
    """Return the error that py-amqp's decoding of ``message`` would have raised."""
    return getattr(getattr(message, "raw", None), "decode_error", None)


class IncomingMessage(amqp.basic_message.Message):
    """A message that keeps the bytes of its properties, and its body from before any decoding."""

    decode_error: Exception | None = None
    raw_properties = b""
    original_body: Any = b""

    def _load_properties(self, class_id: int, buffer: Any, offset: int) -> int:
        self.raw_properties = buffer[offset:]
        try:
            return int(super()._load_properties(class_id, buffer, offset))
        except Exception as error:  # noqa: BLE001 - py-amqp raises whatever the bytes make it raise
            self.decode_error = error
            self.properties = properties.decode(bytes(self.raw_properties))
            return len(buffer)


def tolerant_frame_handler(connection: Any, callback: Any) -> Any:
    """Return py-amqp's frame handler, with messages of our class."""
    # py-amqp takes the message's class from its module's globals, not from the connection.
    globals_ = {**frame_handler.__globals__, "Message": IncomingMessage}
    ours = type(frame_handler)(frame_handler.__code__, globals_, argdefs=frame_handler.__defaults__)
    return ours(connection, callback)


class TolerantChannel(amqp.Channel):
    """Mixed into a channel class: hands on the original with each message."""

    on_cancelled: Callable[[str], None] | None = None
    """Called with the tag of a consumer that the broker has cancelled; else that is an error."""

    def _on_basic_cancel(self, consumer_tag: str) -> None:
        if self.on_cancelled is None:
            super()._on_basic_cancel(consumer_tag)
        else:
            self.on_cancelled(consumer_tag)

    def message_to_python(self, raw: Any) -> Any:
        message = super().message_to_python(raw)
        message.raw = raw
        return message

    def dispatch_method(self, signature: Any, payload: Any, content: Any) -> Any:
        if signature in (spec.Basic.Deliver, spec.Basic.GetOk):
            # py-amqp leaves the empty body of a message without any as text.
            content.original_body = content.body or b""
        if signature != spec.Basic.Deliver:
            return super().dispatch_method(signature, payload, content)
        try:
            return super().dispatch_method(signature, payload, content)
        except UnicodeDecodeError as error:
            if content.delivery_info is not None:
                raise  # It is not the delivery's own exchange or routing key that is no text.
            content.decode_error = error
            return super().dispatch_method(signature, _as_text(bytes(payload)), content)


class TolerantConnection(amqp.Connection):
    """Mixed into a connection class: reads frames and makes channels as above."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["frame_handler"] = tolerant_frame_handler
        super().__init__(*arguments, **options)


@cache
def _tolerant_transport(transport: Any) -> Any:
    if not issubclass(getattr(transport, "Connection", object), amqp.Connection):
        return transport
    channel = type("Channel", (TolerantChannel, transport.Connection.Channel), {})
    connection = type(
        "Connection", (TolerantConnection, transport.Connection), {"Channel": channel}
    )
    return type(transport.__name__, (transport,), {"Connection": connection})


def _as_text(payload: bytes) -> bytes:
    """Return the arguments of ``basic.deliver`` with exchange and routing key made UTF-8."""
    end_of_tags = 5 + payload[4] + 8 + 1
    shown, offset = b"", end_of_tags
    for _ in ("exchange", "routing key"):
        text = payload[offset + 1 : offset + 1 + payload[offset]]
        offset += 1 + len(text)
        readable = properties.decode_text(text).encode()[:255]
        shown += pack("B", len(readable)) + readable
    return payload[:end_of_tags] + shown

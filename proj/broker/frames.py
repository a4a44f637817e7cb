"""A message as it goes over the wire: the frames of one ``basic.publish``, written at once."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, pack
from typing import Any

from amqp import spec
from amqp.serialization import dumps

__all__ = ["END", "FRAME", "acknowledgement", "frames_of"]

METHOD, HEADER, BODY = 1, 2, 3
FRAME = Struct(">BHI")
"""The type of a frame, its channel, the length of what follows: AMQP 0-9-1, 2.3.5."""
END = b"\xce"

ACK = Struct(">BHIHHQ?c")
"""A whole frame: its head, the class and the method, delivery tag, ``multiple``, its end."""
ACK_SIZE = ACK.size - FRAME.size - len(END)

LONGEST_METHOD = 1024
"""More than ``basic.publish`` with its two short strings, and the three frames' heads, take."""


def frames_of(
    channel_id: int, where: tuple[int, str, str, bool, bool], message: Any, frame_max: int
) -> bytes | None:
    """Return the frames of ``message`` and its ``basic.publish``, as py-amqp writes them.

    ``where`` is what ``basic.publish`` says. None for a message that needs several body frames.
    """
    body = message.body
    if isinstance(body, str):
        body = body.encode(message.properties.setdefault("content_encoding", "utf-8"))
    properties = message._serialize_properties()  # noqa: SLF001 - what py-amqp's writer calls
    if len(body) + len(properties) > frame_max - LONGEST_METHOD:
        return None
    method = _method(where)
    header = pack(">HHQ", spec.Basic.CLASS_ID, 0, len(body)) + properties
    frames = [FRAME.pack(METHOD, channel_id, len(method)), method, END]
    frames += (FRAME.pack(HEADER, channel_id, len(header)), header, END)
    if body:
        frames += (FRAME.pack(BODY, channel_id, len(body)), body, END)
    return b"".join(frames)


def acknowledgement(channel_id: int, delivery_tag: int, *, multiple: bool) -> bytes:
    """Return the frame of a ``basic.ack``."""
    return ACK.pack(METHOD, channel_id, ACK_SIZE, *spec.Basic.Ack, delivery_tag, multiple, END)


@lru_cache(1024)
def _method(where: tuple[int, str, str, bool, bool]) -> bytes:
    return pack(">HH", *spec.Basic.Publish) + bytes(dumps("Bssbb", where))

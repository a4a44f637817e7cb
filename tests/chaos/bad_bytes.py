"""Writes AMQP properties octet by octet (AMQP 0-9-1, 4.2.5 and 4.2.6), right or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack
from typing import Any

__all__ = ["Value", "properties_of"]

ORDER = ("content_type", "content_encoding", "application_headers", "delivery_mode", "priority")
ORDER += ("correlation_id", "reply_to", "expiration", "message_id", "timestamp", "type")
ORDER += ("user_id", "app_id", "cluster_id")


@dataclass(frozen=True)
class Value:
    """A table value of any type: its letter, and its octets as they are."""

    letter: str
    octets: bytes

    @classmethod
    def nested(cls, letter: str, depth: int) -> Value:
        """Return tables ("F") or arrays ("A") inside each other, ``depth`` of them."""
        octets = pack(">I", 0)
        for _ in range(depth):
            inner = (b"\x01k" if letter == "F" else b"") + letter.encode() + octets
            octets = pack(">I", len(inner)) + inner
        return cls(letter, octets)


def properties_of(properties: dict[str, Any]) -> bytes:
    """Return flags and values of ``properties``: text as bytes, numbers, and one table."""
    flags, written = 0, b""
    for position, name in enumerate(ORDER):
        if name not in properties:
            continue
        flags |= 1 << (15 - position)
        value = properties[name]
        if isinstance(value, dict):
            table = _table(value)
            written += pack(">I", len(table)) + table
        elif isinstance(value, bytes):
            written += pack("B", len(value)) + value
        else:
            written += pack(">Q" if name == "timestamp" else "B", value)
    return pack(">H", flags) + written


def _table(table: dict[Any, Any]) -> bytes:
    written = b""
    for key, value in table.items():
        name = key if isinstance(key, bytes) else key.encode()
        written += pack("B", len(name)) + name + _value(value)
    return written


def _value(value: Any) -> bytes:  # noqa: PLR0911 - one line for each type
    if isinstance(value, Value):
        return value.letter.encode() + value.octets
    if isinstance(value, bool):
        return b"t" + pack("B", value)
    if value is None:
        return b"V"
    if isinstance(value, int):
        return b"l" + pack(">q", value)
    if isinstance(value, float):
        return b"d" + pack(">d", value)
    if isinstance(value, dict):
        inner = _table(value)
        return b"F" + pack(">I", len(inner)) + inner
    if isinstance(value, list):
        inner = b"".join(_value(each) for each in value)
        return b"A" + pack(">I", len(inner)) + inner
    text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return b"S" + pack(">I", len(text)) + text

"""A message's AMQP properties as the bytes of its content header, so that a copy changes nothing.

What cannot be decoded can still be copied: a message with bytes that break a client's decoder is
kept as it is. The layout is AMQP 0-9-1's, section 4.2.6.1, with RabbitMQ's table field types:
https://www.rabbitmq.com/amqp-0-9-1-errata#section_3
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from struct import pack, unpack_from

from amqp.basic_message import Message
from amqp.serialization import dumps, loads

__all__ = ["decode", "decode_text", "edit", "field", "table_entries"]

FIELDS = tuple(Message.PROPERTIES)
"""Every property in the order of its flag, from bit 15 down, with its type as py-amqp names it."""

FIXED_SIZES = {
    **dict.fromkeys("tbB", 1),
    **dict.fromkeys("sUu", 2),
    **dict.fromkeys("Iif", 4),
    "D": 5,
    **dict.fromkeys("lLdT", 8),
    "V": 0,
}
"""Octets of a table value for each type of a fixed size; the others begin with a 32-bit length."""


def decode(properties: bytes) -> dict[str, object]:
    """Return what can be read of ``properties``; text that is not UTF-8 is shown with backslashes.

    A header whose value no decoder takes is left as its bytes. Raises ``ValueError`` where even the
    lengths are wrong, which RabbitMQ does not let through.
    """
    readers: dict[str, Callable[[bytes], object]] = {
        "s": lambda value: decode_text(value[1:]),
        "F": lambda value: dict(_decoded(value)),
    }
    return {
        name: readers[kind](value) if kind in readers else int.from_bytes(value, "big")
        for name, kind, value in _fields(properties)
    }


def decode_text(text: bytes) -> str:
    """Return ``text`` as UTF-8, with a backslash sequence for every octet that is not."""
    return text.decode("utf-8", "backslashreplace")


def field(properties: bytes, name: str) -> str | None:
    """Return one text property, None if the message has none."""
    found = (value for each, kind, value in _fields(properties) if (each, kind) == (name, "s"))
    return next((decode_text(value[1:]) for value in found), None)


def edit(
    properties: bytes,
    *,
    headers: Mapping[str, str | int],
    drop_headers: Iterable[str] = (),
    rename_headers: Mapping[str, str] | None = None,
    drop: Iterable[str] = (),
) -> bytes:
    """Return ``properties`` with ``headers`` set and the properties named in ``drop`` left out.

    Every other octet is the original's. Raises ``ValueError`` for properties that cannot be split.
    """
    renamed = rename_headers or {}
    gone = {name.encode() for name in (*headers, *drop_headers)}
    parts = {name: value for name, _, value in _fields(properties) if name not in drop}
    table = b"".join(
        _entry(renamed.get(decode_text(key), "").encode() or key, value)
        for key, value in table_entries(parts.get("application_headers", b"\0\0\0\0"))
        if key not in gone
    )
    table += dumps("F", [dict(headers)])[4:]
    parts["application_headers"] = pack(">I", len(table)) + table
    flags, values = 0, b""
    for position, (name, _) in enumerate(FIELDS):
        if name in parts:
            flags |= 1 << (15 - position)
            values += parts[name]
    return pack(">H", flags) + values


def table_entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of each entry of ``table``, the value with its type octet, undecoded."""
    offset, end = 4, 4 + int(unpack_from(">I", table)[0])
    while offset < end:
        key_end = offset + 1 + table[offset]
        size = FIXED_SIZES.get(chr(table[key_end]))
        if size is None:
            size = 4 + int(unpack_from(">I", table, key_end + 1)[0])
        value_end = key_end + 1 + size
        yield table[offset + 1 : key_end], table[key_end:value_end]
        offset = value_end


def _entry(key: bytes, value: bytes) -> bytes:
    return pack("B", len(key)) + key + value


def _decoded(table: bytes) -> Iterator[tuple[str, object]]:
    for key, value in table_entries(table):
        entry = _entry(b"", value)
        try:
            (single,), _ = loads("F", pack(">I", len(entry)) + entry, 0)
            yield decode_text(key), single[""]
        except Exception:  # noqa: BLE001 - py-amqp raises whatever the bytes make it raise
            yield decode_text(key), value


def _fields(properties: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, type and bytes of each property that is there."""
    try:
        flags, offset = int(unpack_from(">H", properties)[0]), 2
        for position, (name, kind) in enumerate(FIELDS):
            if not flags & (1 << (15 - position)):
                continue
            if kind == "s":
                size = 1 + properties[offset]
            elif kind == "F":
                size = 4 + int(unpack_from(">I", properties, offset)[0])
            else:
                size = 8 if kind == "L" else 1
            yield name, kind, properties[offset : offset + size]
            offset += size
    except (IndexError, struct.error) as error:
        raise ValueError(f"the message's properties cannot be split: {error}") from error

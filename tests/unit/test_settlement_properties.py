"""Properties as bytes: a copy changes what it must, and not one octet more."""

from __future__ import annotations

from struct import pack

import pytest
from amqp.serialization import decode_properties_basic

from proj.dead_letters.properties import decode, edit, field
from tests.chaos.bad_bytes import Value, properties_of

EVERYTHING = {
    "content_type": b"application/json",
    "content_encoding": b"utf-8",
    "application_headers": {
        "text": "x",
        "nested": {"array": [1, "x", None, {"deep": True}]},
        "date": Value("T", pack(">Q", 2**64 - 1)),
        "decimal": Value("D", b"\x02\0\0\0\x07"),
        "short": Value("s", b"\0\x01"),
        "void": None,
        "octets": b"\xff\xfe",
    },
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": b"\xff\xfe",
    "reply_to": b"answers",
    "expiration": b"60000",
    "message_id": b"m",
    "timestamp": 2**64 - 1,
    "type": b"t",
    "user_id": b"guest",
    "app_id": b"a",
    "cluster_id": b"c",
}


def test_headers_are_added_and_every_other_octet_stays() -> None:
    """What follows the table, and what stands before ours in it, is the original's."""
    edited = edit(properties_of(EVERYTHING), headers={"x-attempts": 3})

    with_ours = dict(EVERYTHING)
    # py-amqp writes a small number as a 32-bit one.
    headers = {**EVERYTHING["application_headers"], "x-attempts": Value("I", pack(">i", 3))}  # type: ignore[dict-item]
    assert edited == properties_of({**with_ours, "application_headers": headers})


def test_headers_are_replaced_dropped_and_renamed_and_properties_dropped() -> None:
    """An earlier count goes, a carbon copy is kept under another name, a time to live goes."""
    original = properties_of(
        {
            "application_headers": {"x-attempts": "old", "stale": 1, "CC": ["a"], "kept": 2},
            "expiration": b"1",
        }
    )

    edited = edit(
        original,
        headers={"x-attempts": 1},
        drop_headers=["stale"],
        rename_headers={"CC": "copies"},
        drop=["expiration"],
    )

    read, _ = decode_properties_basic(edited, 0)
    assert read == {"application_headers": {"copies": ["a"], "kept": 2, "x-attempts": 1}}


def test_a_message_without_properties_gets_headers_only() -> None:
    """The plainest message of all can be a letter too."""
    read, _ = decode_properties_basic(edit(b"\0\0", headers={"x": "y"}), 0)

    assert read == {"application_headers": {"x": "y"}}


def test_what_no_client_decodes_is_shown_all_the_same() -> None:
    """Bad text has backslashes; a value that cannot be decoded is its bytes."""
    read = decode(properties_of(EVERYTHING))

    assert read["correlation_id"] == "\\xff\\xfe"
    headers = read["application_headers"]
    assert isinstance(headers, dict)
    assert headers["date"] == b"T" + pack(">Q", 2**64 - 1)
    assert headers["nested"] == {"array": [1, "x", None, {"deep": True}]}
    assert field(properties_of(EVERYTHING), "user_id") == "guest"
    assert field(b"\0\0", "user_id") is None


def test_properties_that_cannot_be_split_are_a_value_error() -> None:
    """A length that lies is told, not read beyond."""
    with pytest.raises(ValueError, match="cannot be split"):
        decode(b"\x80")

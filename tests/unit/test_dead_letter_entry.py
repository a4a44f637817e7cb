"""A dead letter's id is short, can be typed, and stays whatever the broker counts meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import amqp
import pytest

from proj.dead_letters.copying import Original
from proj.dead_letters.entry import DeadLetter, read_message, read_original


def entry_of(headers: dict[str, Any], body: bytes = b"", **properties: Any) -> DeadLetter:
    """Return the letter of a message with these headers and properties."""
    message = amqp.basic_message.Message(application_headers=headers, **properties)
    return read_original(Original(body, message._serialize_properties()))  # noqa: SLF001 - py-amqp writes them nowhere else


def test_the_task_id_is_the_id_else_the_message_id() -> None:
    """What the logs and the result backend call it."""
    assert entry_of({"id": "task-1"}, message_id="message-1").id == "task-1"
    assert entry_of({}, message_id="message-1").id == "message-1"


@pytest.mark.parametrize("odd", ["", "two words", "\x1b[2J", "--all", "x" * 65, "é"])
def test_what_cannot_be_typed_is_no_id(odd: str) -> None:
    """It is a hash then, of letters and digits."""
    shown = entry_of({"id": odd}).id

    assert len(shown) == 12
    assert shown.isalnum()


def test_a_hash_does_not_depend_on_what_the_broker_counts() -> None:
    """Nor on the order of headers, which the broker changes as it counts."""
    first = entry_of({"b": "2", "a": "1"}, b"body")
    later = entry_of({"a": "1", "b": "2", "x-delivery-count": 7, "x-acquired-count": 9}, b"body")

    assert first.id == later.id
    assert first.id != entry_of({"b": "2", "a": "1"}, b"another").id


def test_what_breaks_the_client_is_read_from_the_bytes() -> None:
    """The client's decoding gave up; the headers that can be read are read."""
    whole = entry_of({"task": "note"})
    raw = SimpleNamespace(
        decode_error=ValueError(),
        original_body=b"\xff",
        raw_properties=whole.original.properties,
    )

    entry = read_message(SimpleNamespace(raw=raw, headers=None, properties={}))

    assert (entry.letter.task, entry.size_bytes) == ("note", 1)

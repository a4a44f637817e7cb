"""The bytes of a message are those of py-amqp, whatever its headers and properties."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import amqp
import pytest

from proj.broker.message import Message

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**40,
    1.5,
    "",
    "text",
    "Grüße €",
    "x" * 3000,
    b"bytes",
    [None, None],
    {},
    {"a": [1, {"b": True}]},
    Decimal("1.25"),
    datetime(2030, 1, 2, tzinfo=timezone.utc),
]

PROPERTIES: dict[str, list[Any]] = {
    "content_type": [None, "application/json"],
    "content_encoding": [None, "utf-8"],
    "delivery_mode": [None, 2],
    "priority": [None, 0, 7],
    "correlation_id": [None, "8bf3bd9c-0d1b-4ef0-9e39-0d1b4ef09e39"],
    "reply_to": [None, "", "somebody"],
    "expiration": [None, "1000"],
    "message_id": [None, "7"],
}


def encoded(message: amqp.Message) -> bytes:
    """Return the property flags and the property list of a message."""
    return bytes(message._serialize_properties())  # noqa: SLF001 - what py-amqp's writer calls


@pytest.mark.parametrize("seed", range(50))
def test_a_message_has_the_bytes_of_py_amqp(seed: int) -> None:
    """Headers of every type and properties of every kind, there or not."""
    chance = random.Random(seed)  # noqa: S311 - seeded choices
    properties = {name: chance.choice(values) for name, values in PROPERTIES.items()}
    headers = {f"header-{number}": chance.choice(VALUES) for number in range(chance.randrange(20))}

    found = Message("body", application_headers=headers, **properties)
    wanted = amqp.Message("body", application_headers=headers, **properties)

    assert encoded(found) == encoded(wanted)
    assert found.properties == wanted.properties


def test_equal_values_of_different_types_keep_their_types() -> None:
    """1, True and 1.0 are equal to Python and different to AMQP."""
    for value in (1, True, 1, 1.0, False, 0):
        headers = {"header": value}
        found = Message("", application_headers=headers)

        assert encoded(found) == encoded(amqp.Message("", application_headers=headers))


@pytest.mark.parametrize("value", [object(), 2**70])
def test_a_header_that_cannot_be_encoded_is_the_same_error(value: Any) -> None:
    """What py-amqp refuses is refused, with its error."""
    with pytest.raises(Exception) as wanted:  # noqa: PT011 - whichever py-amqp raises
        encoded(amqp.Message("", application_headers={"header": value}))

    with pytest.raises(type(wanted.value)):
        encoded(Message("", application_headers={"header": value}))

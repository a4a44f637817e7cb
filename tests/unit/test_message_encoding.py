"""The bytes of a message are those of py-amqp, whatever its headers and properties."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from amqp import spec
from amqp.method_framing import frame_writer
from amqp.serialization import dumps

from proj.broker.frames import acknowledgement, frames_of
from proj.broker.message import Message, Outline

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
    "timestamp": [None, 1_800_000_000],
}

FRAME_MAX = 131_072
"""RabbitMQ's default."""


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


@pytest.mark.parametrize("seed", range(20))
def test_headers_like_those_of_an_outline_have_the_bytes_of_py_amqp(seed: int) -> None:
    """Wherever the varying ones stand, and whatever text they hold."""
    chance = random.Random(seed)  # noqa: S311 - seeded choices
    headers = {f"header-{number}": chance.choice(VALUES) for number in range(10)}
    texts = [value for value in VALUES if isinstance(value, str)]
    varying = chance.sample(sorted(headers), 4)
    headers.update(dict.fromkeys(varying, "model"))
    outline = Outline(headers, varying)

    for _ in range(5):
        headers.update({name: chance.choice(texts) for name in varying})
        found = Message("body", application_headers=dict(headers))
        found.outline = outline

        assert encoded(found) == encoded(amqp.Message("body", application_headers=headers))


@pytest.mark.parametrize(
    "body", ["", b"", "Grüße", b"\x00\xce" * 100, "x" * 100_000, "x" * 200_000], ids=len
)
def test_the_frames_of_a_publish_are_those_of_py_amqp(body: str | bytes) -> None:
    """Method, header and body in one write; what needs several body frames is left to py-amqp."""
    written: list[bytes] = []
    connection = SimpleNamespace(frame_max=FRAME_MAX, bytes_sent=0)
    transport = SimpleNamespace(write=lambda data: written.append(bytes(data)))
    where = (0, "", "Grüße", True, False)
    headers = {"id": "8bf3bd9c", "retries": 0}
    wanted = amqp.Message(body, application_headers=headers, delivery_mode=2)
    write = frame_writer(connection, transport)
    write(1, 7, spec.Basic.Publish, dumps("Bssbb", where), wanted)

    found = frames_of(
        7, where, Message(body, application_headers=headers, delivery_mode=2), FRAME_MAX
    )

    if len(body) > FRAME_MAX:
        assert found is None
        assert len(written) > 1
    else:
        assert [found] == written


@pytest.mark.parametrize("multiple", [False, True])
def test_an_acknowledgement_is_the_frame_of_py_amqp(multiple: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """With tags beyond 32 bits too."""
    written: list[bytes] = []
    connection = SimpleNamespace(frame_max=FRAME_MAX, bytes_sent=0)
    transport = SimpleNamespace(write=lambda data: written.append(bytes(data)))
    write = frame_writer(connection, transport)
    write(1, 7, spec.Basic.Ack, dumps("Lb", (2**40, multiple)), None)

    assert [acknowledgement(7, 2**40, multiple=multiple)] == written

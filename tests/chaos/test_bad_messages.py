"""A catalogue of bad messages against one real worker: none is lost, none stops it, none loops.

``SEED`` in the environment chooses another catalogue.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kombu
import pytest
from amqp import Message, spec

from proj.dead_letters import letter
from proj.dead_letters.decoding import tolerate
from proj.dead_letters.properties import table_entries
from proj.dead_letters.reasons import Reason
from tests.chaos.bad_messages import BadMessage, catalogue
from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until

pytest_plugins = ["tests.support.settlement_fixtures"]

SEED = int(os.environ.get("SEED", "1"))
GOOD_BETWEEN = 20
BROKERS_OWN = ("x-delivery-count", "x-acquired-count")


@pytest.mark.timeout(300)
def test_every_bad_message_ran_or_is_a_letter_and_the_worker_is_the_same(scene: Scene) -> None:
    """The ledger: sent = ran + dead letters, byte for byte; good messages in between all ran."""
    worker = scene.worker(concurrency=2)
    assert worker.process is not None
    process_id = worker.process.pid
    accepted, good = send_all(scene, catalogue(SEED))
    assert len(accepted) >= 200, "the broker itself refuses hardly any of the catalogue"

    for name in good:
        scene.wait_begun(name, timeout_seconds=120)
    letters: dict[str, Any] = {}
    with tolerant_channel(scene) as channel:
        wait_until(
            lambda: take_letters(channel, scene, letters) or settled(scene, accepted, letters),
            lambda missing: not missing,
            what="every message ran or is a dead letter",
            timeout_seconds=120,
        )
        scene.wait_empty()
        take_letters(channel, scene, letters)

    assert worker.process.poll() is None
    assert worker.process.pid == process_id
    assert set(scene.begun().values()) <= {1}, "nothing ran twice"
    for name, raw in letters.items():
        assert bytes(raw.body or b"") == accepted[name].body, name
        assert without_ours(raw.raw_properties) == as_copied(accepted[name].properties), name
        reason = raw.properties["application_headers"][letter.REASON]
        assert reason in [each.value for each in Reason], name


@pytest.mark.own_machine
@pytest.mark.timeout(300)
def test_the_worker_is_no_larger_after_four_times_the_catalogue(scene: Scene) -> None:
    """Memory stays flat: the second half of the bad messages adds next to nothing to the first."""
    worker = scene.worker(concurrency=2)
    assert worker.process is not None
    sizes = []
    for _ in range(4):
        accepted, _ = send_all(scene, catalogue(SEED))
        letters: dict[str, Any] = {}
        with tolerant_channel(scene) as channel:
            wait_until(
                lambda channel=channel, letters=letters, accepted=accepted: (  # type: ignore[misc]
                    take_letters(channel, scene, letters) or settled(scene, accepted, letters)
                ),
                lambda missing: not missing,
                what="every message ran or is a dead letter",
                timeout_seconds=120,
            )
            scene.wait_empty()
        sizes.append(resident_kilobytes(worker.process.pid))

    assert max(sizes[2:]) - max(sizes[:2]) < 8_000, (
        f"resident kilobytes after each catalogue: {sizes}"
    )


def resident_kilobytes(process_id: int) -> int:
    """Return how much memory the process holds."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def settled(scene: Scene, accepted: dict[str, BadMessage], letters: dict[str, Any]) -> list[str]:
    """Return the names of messages that neither ran nor are dead letters yet."""
    ran = (scene.folder / "began").read_text(errors="replace")
    return [name for name in accepted if name not in letters and name not in ran]


def send_all(scene: Scene, messages: list[BadMessage]) -> tuple[dict[str, BadMessage], list[str]]:
    """Publish ``messages`` with good ones in between; return what the broker took of each."""
    accepted, good = {}, []
    exchange = f"{scene.queue}-fanout"
    scene.broker.channel.exchange_declare(exchange, "fanout", auto_delete=True)
    scene.broker.channel.queue_bind(scene.queue, exchange)
    for number, message in enumerate(messages):
        if publish(scene, message, exchange):
            accepted[message.name] = message
        if number % GOOD_BETWEEN == 0:
            good.append(f"good-{number}")
            scene.send("note", good[-1])
    return accepted, good


def publish(scene: Scene, message: BadMessage, fanout: str) -> bool:
    """Publish one message with its properties as they are; return whether the broker took it."""
    raw = Message(message.body)
    raw._serialize_properties = lambda: message.properties  # noqa: SLF001 - py-amqp's writer calls it
    exchange, key = ("", scene.queue.encode()), message.routing_key
    target = (fanout, key) if key else exchange
    with kombu.Connection(scene.url) as connection:
        channel = connection.channel()
        channel.confirm_select()
        try:
            channel.send_method(spec.Basic.Publish, "Bssbb", (0, *target, True, False), raw)
            channel.wait([spec.Basic.Ack], timeout=10)
        except (OSError, *connection.connection_errors, *connection.channel_errors):
            return False
    return True


@contextmanager
def tolerant_channel(scene: Scene) -> Iterator[Any]:
    """Open a channel that reads whatever the catalogue holds."""
    with tolerate(kombu.Connection(scene.url)) as connection:
        channel = connection.channel()
        channel.auto_decode = False
        yield channel


def take_letters(channel: Any, scene: Scene, letters: dict[str, Any]) -> None:
    """Take all dead letters there are now into ``letters``, by the name in their header."""
    while raw := channel.basic_get(scene.broker.letters_queue, no_ack=True):
        name = raw.properties["application_headers"]["x-name"]
        assert name not in letters, f"{name} is dead twice"
        raw.body = raw.original_body or raw.body
        letters[name] = raw


def without_ours(properties: bytes) -> dict[bytes, bytes]:
    """Return the headers of a dead letter without what its death added."""
    ours = {name.encode() for name in (*letter.HEADERS, *BROKERS_OWN)}
    return {key: value for key, value in headers_in(properties) if key not in ours}


def as_copied(properties: bytes) -> dict[bytes, bytes]:
    """Return the headers of an original, as a copy of it has them."""
    gone = {name.encode() for name in (*letter.HEADERS, *BROKERS_OWN)}
    renamed = {b"CC": letter.CARBON_COPY.encode()}
    return {
        renamed.get(key, key): value for key, value in headers_in(properties) if key not in gone
    }


def headers_in(properties: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of the table in ``properties``, undecoded."""
    offset = 2
    for flag in (0x8000, 0x4000):
        if struct.unpack_from(">H", properties)[0] & flag:
            offset += 1 + properties[offset]
    yield from table_entries(properties[offset:])

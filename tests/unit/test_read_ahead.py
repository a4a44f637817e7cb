"""What has come together is read together, and is what was sent, however it was cut."""

from __future__ import annotations

import random
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from amqp.exceptions import UnexpectedFrame
from kombu.asynchronous import Hub

from proj.broker.amqp_connection import AMQPConnection
from proj.broker.reading import RECEIVE_BYTES
from proj.broker.sockets import TCPTransport, TLSTransport
from proj.broker.transport import Transport
from tests.support.certificates import Certificates

Pair = tuple[Any, Any]
"""The broker's socket, and our transport."""


@pytest.fixture(params=["plain", "TLS"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Two sockets that are connected; ours is the second one's."""
    broker, client = socket.socketpair()
    transport: Any = TCPTransport("broker")
    if request.param == "TLS":
        broker, client = encrypted(broker, client, Certificates(tmp_path))
        transport = TLSTransport("broker")
    transport.sock, transport.connected, transport._quick_recv = client, True, client.recv  # noqa: SLF001 - what py-amqp's connect() sets
    with broker, client:
        yield broker, transport


def encrypted(broker: Any, client: Any, certificates: Certificates) -> Pair:
    """Return both sockets after a TLS handshake."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificates.issue("broker"))
    ours = ssl.create_default_context(cafile=certificates.authority_file)
    broker = server.wrap_socket(broker, server_side=True, do_handshake_on_connect=False)
    greeting = threading.Thread(target=broker.do_handshake)
    greeting.start()
    client = ours.wrap_socket(client, server_hostname="localhost")
    greeting.join()
    return broker, client


def frame(payload: bytes, *, channel: int = 1, end: bytes = b"\xce") -> bytes:
    """Return a body frame as AMQP 0-9-1 writes it."""
    return pack(">BHI", 3, channel, len(payload)) + payload + end


def whole_frames(transport: Any) -> list[Any]:
    """Return what can be read without waiting."""
    return list(iter(transport.next_frame, None))


@pytest.mark.parametrize("seed", range(10))
def test_frames_come_whole_and_in_order_wherever_the_stream_is_cut(pair: Pair, seed: int) -> None:
    """Many in one piece, one in many, empty ones, and such as hold the octet that ends one."""
    broker, transport = pair
    chance = random.Random(seed)  # noqa: S311 - seeded choices
    sizes = [chance.choice([0, 1, 50, 300, 5_000]) for _ in range(40)]
    payloads = [b"\xce" * size for size in sizes]
    stream = b"".join(frame(payload, channel=place) for place, payload in enumerate(payloads))

    found = []
    while stream:
        size = chance.choice([1, 7, 8, 500, RECEIVE_BYTES])
        broker.sendall(stream[:size])
        stream = stream[size:]
        # As an event loop does: a large write is several TLS records.
        while select.select([transport.sock], [], [], 0)[0]:
            transport.receive()
            found += whole_frames(transport)

    assert found == [(3, place, payload) for place, payload in enumerate(payloads)]


def test_everything_of_one_write_is_read_although_the_socket_tells_only_once(pair: Pair) -> None:
    """Of a TLS record the rest is decrypted, and no socket is readable for it any more."""
    broker, transport = pair
    broker.sendall(b"".join(frame(b"x" * 100) for _ in range(100)))

    transport.receive()

    assert len(whole_frames(transport)) == 100
    assert not transport.readable()


def test_nothing_there_is_no_wait_and_no_error(pair: Pair) -> None:
    """An event loop may be told of a socket that another has read meanwhile."""
    _, transport = pair

    transport.receive()

    assert whole_frames(transport) == []
    assert transport.connected


def test_py_amqp_goes_on_with_the_beginning_of_a_frame(pair: Pair) -> None:
    """Whoever waits for an answer while half a frame was received gets all of it."""
    broker, transport = pair
    broker.sendall(frame(b"whole") + frame(b"begun")[:9])
    transport.receive()
    assert whole_frames(transport) == [(3, 1, b"whole")]

    broker.sendall(frame(b"begun")[9:] + frame(b"next"))

    assert transport.read_frame() == (3, 1, b"begun")
    transport.receive()
    assert whole_frames(transport) == [(3, 1, b"next")]


def test_the_event_loop_reads_what_came_with_an_awaited_answer(pair: Pair) -> None:
    """Of one TLS record, the first deliveries waited for the broker's next heartbeat."""
    broker, transport = pair
    found: list[Any] = []
    connection = AMQPConnection()
    connection.transport, connection.on_inbound_frame = transport, found.append
    broker.sendall(frame(b"answer") + frame(b"delivery") + frame(b"begun")[:9])
    assert transport.read_frame() == (3, 1, b"answer")
    loop = Hub()
    Transport(None).register_with_event_loop(connection, loop)
    loop.call_repeatedly(0.01, lambda: None)  # else it waits a second for the socket

    next(loop.loop)

    assert found == [(3, 1, b"delivery")]
    transport.connected = False
    next(loop.loop)
    assert not loop.on_tick, "the loop looks at a connection that is gone"
    loop.close()


def test_the_end_of_the_connection_is_an_error_that_marks_it_as_lost(pair: Pair) -> None:
    """Frames that came before it are still there."""
    broker, transport = pair
    broker.sendall(frame(b"last"))
    transport.receive()
    broker.close()

    with pytest.raises(OSError, match="closed the connection"):
        transport.receive()

    assert not transport.connected
    assert whole_frames(transport) == [(3, 1, b"last")]


def test_what_is_no_frame_is_an_error(pair: Pair) -> None:
    """The lengths of the stream cannot be trusted any more."""
    broker, transport = pair
    broker.sendall(frame(b"odd", end=b"\x00"))
    transport.receive()

    with pytest.raises(UnexpectedFrame, match="ends with 0x00"):
        transport.next_frame()

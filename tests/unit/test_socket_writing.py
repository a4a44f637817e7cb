"""What goes over one socket is whole, whoever writes it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from proj.broker.sockets import TCPTransport

FRAME_BYTES = 30


def test_frames_of_several_threads_are_never_mixed() -> None:
    """A pool of threads acknowledges in any of them, and a full socket takes a frame in pieces."""
    transport: Any = TCPTransport("broker")
    written = bytearray()

    def write_octet_by_octet(data: bytes) -> None:
        for octet in data:
            written.append(octet)
            time.sleep(0)  # lets another thread run

    transport._write = write_octet_by_octet  # noqa: SLF001 - what py-amqp sets to sock.sendall

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(transport.write, [bytes([number]) * FRAME_BYTES for number in range(40)]))

    frames = [written[at : at + FRAME_BYTES] for at in range(0, len(written), FRAME_BYTES)]
    assert len(frames) == 40
    assert all(len(set(frame)) == 1 for frame in frames)

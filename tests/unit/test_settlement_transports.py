"""Letters and copies over a transport that is not AMQP: the same message, the same headers."""

from __future__ import annotations

from typing import Any

import kombu

from proj.dead_letters.copying import Copies
from proj.dead_letters.decoding import keep_original, original_of
from proj.dead_letters.letter import NO_ERROR, headers_of, read
from proj.dead_letters.reasons import Reason


def test_a_letter_over_another_transport_has_body_headers_and_reason() -> None:
    """What Kombu delivers is written and read back whole, also where its parts were replaced."""
    with kombu.Connection("memory://") as connection:
        queue = connection.SimpleQueue("work")
        queue.put(
            {"a": 1}, headers={"task": "note", "n": 7}, correlation_id="c", compression="zlib"
        )
        message = queue.get(timeout=1)
        keep_original(message)
        message.body, message.headers = b"replaced", {}

        copies = Copies(lambda: connection, timeout_seconds=5)
        headers = headers_of(Reason.FAILED, queue="work", task="note", attempts=1, error=NO_ERROR)
        letters: Any = connection.SimpleQueue("letters")
        copies.publish(original_of(message), "letters", headers, drop_expiration=True)

        assert copies.message_count("letters") == 1
        letter = letters.get(timeout=1)
        assert letter.payload == {"a": 1}
        assert (letter.headers["task"], letter.headers["n"]) == ("note", 7)
        assert letter.properties["correlation_id"] == "c"
        assert read(letter.headers).reason is Reason.FAILED

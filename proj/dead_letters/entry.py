"""One message of the dead-letter queue as an operator sees it, under an id that stays the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proj.dead_letters import letter, properties
from proj.dead_letters.copying import BROKER_HEADERS, Original
from proj.dead_letters.decoding import decode_error, original_of
from proj.dead_letters.letter import Letter

__all__ = ["REPLAYED", "DeadLetter", "read_message", "read_original"]

REPLAYED = "x-replayed"
"""The header with how often the message was replayed; no death takes it away."""

TYPEABLE = re.compile(r"[A-Za-z0-9_.:@/=+][\x21-\x7e]{0,63}")
"""What can be typed after a command, and printed; any other id is replaced by a hash."""


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter, and the message in it."""

    id: str
    """The task id, else the message id, else a hash of what the publisher wrote."""
    letter: Letter
    replays: int
    headers: dict[str, Any]
    """The headers as far as they can be decoded."""
    original: Original
    size_bytes: int
    """The size of the message's body."""


def read_message(message: Any) -> DeadLetter:
    """Return the dead letter that ``message`` (Kombu's) is."""
    original = original_of(message)
    if decode_error(message) is not None:
        return read_original(original)
    # The client has decoded it already.
    return _entry(original, message.headers or {}, message.properties.get("message_id"))


def read_original(original: Original) -> DeadLetter:
    """Return the dead letter that the bytes of a message are; reads whatever the broker keeps."""
    known = properties.decode(original.properties)
    headers = known.get("application_headers")
    return _entry(original, headers if isinstance(headers, dict) else {}, known.get("message_id"))


def _entry(original: Original, headers: dict[str, Any], message_id: object) -> DeadLetter:
    replays, size = headers.get(REPLAYED), len(original.body)
    shown_id = _id(headers, message_id, original)
    count = replays if isinstance(replays, int) else 0
    return DeadLetter(shown_id, letter.read(headers), count, headers, original, size)


def _id(headers: Mapping[str, Any], message_id: object, original: Original) -> str:
    for told in (headers.get("id"), message_id):
        # It is typed and printed: no spaces, no control sequences.
        if isinstance(told, str) and TYPEABLE.fullmatch(told):
            return told
    # Without what the broker counts, and in one order: as it counts, it sorts the headers anew.
    stable = {name: value for name, value in headers.items() if name not in BROKER_HEADERS}
    written = repr((sorted(stable.items()), message_id)).encode("utf-8", "backslashreplace")
    return hashlib.sha256(written + original.body).hexdigest()[:12]

"""A dead letter's headers: written by the worker that gave up, read in one shape by everybody.

The broker makes dead letters too (time to live, length limit, its own delivery limit) and tells
about them in ``x-death``; :func:`read` shows both kinds alike.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from proj.dead_letters.reasons import BROKER_REASONS, Reason

__all__ = ["ATTEMPTS", "HEADERS", "NO_ERROR", "ErrorDetails", "Letter", "headers_of", "read"]

ATTEMPTS = "x-attempts"
"""The header with how often the message has been begun, the run that ended it included."""

REASON = "x-dead-letter-reason"
QUEUE = "x-dead-letter-queue"
TASK = "x-dead-letter-task"
EXCEPTION = "x-dead-letter-exception"
MESSAGE = "x-dead-letter-message"
TRACEBACK = "x-dead-letter-traceback"
HOST = "x-dead-letter-host"
PID = "x-dead-letter-pid"
WHEN = "x-dead-letter-when"

EXPIRATION = "x-dead-letter-expiration"
"""The original's time to live in milliseconds: as a property it would end the letter too."""

USER = "x-dead-letter-user-id"
"""The original's ``user_id``: the broker lets nobody publish under another's name."""

CARBON_COPY = "x-dead-letter-cc"
"""The original's ``CC``: the broker would send each copy there once more."""

LONGEST_BYTES = {TASK: 255, EXCEPTION: 255, MESSAGE: 2_048, TRACEBACK: 16_384}
"""Text is cut to this: all headers of a message share one frame of 128 KiB with its properties."""

HEADERS = (ATTEMPTS, REASON, QUEUE, *LONGEST_BYTES, HOST, PID, WHEN, EXPIRATION, USER)
"""All of them: what an earlier death of the same message left is replaced as a whole."""


@dataclass(frozen=True)
class ErrorDetails:
    """The error that ended a message: its type's name, its message, its traceback as text."""

    exception: str = ""
    message: str = ""
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException | None, traceback: str = "") -> ErrorDetails:
        """Return the details of ``error``; an error that cannot be shown is told apart."""
        if error is None:
            return cls(traceback=traceback)
        try:
            message = str(error)
        except Exception:  # noqa: BLE001 - an exception of the user's may raise anything here
            message = "(its message cannot be shown)"
        return cls(_type_name(type(error)), message, traceback)

    def __str__(self) -> str:
        return ": ".join(each for each in (self.exception, self.message) if each)


NO_ERROR = ErrorDetails()


@dataclass(frozen=True)
class Letter:
    """A dead letter as everybody sees it; None where nobody told."""

    reason: Reason
    queue: str | None
    task: str | None
    error: ErrorDetails
    attempts: int | None
    host: str | None
    process_id: int | None
    when: datetime | None


def headers_of(
    reason: Reason, *, queue: str, task: str | None, attempts: int, error: ErrorDetails
) -> dict[str, str | int]:
    """Return the headers that tell why a message from ``queue`` is given up here and now."""
    texts = zip(LONGEST_BYTES, (task, error.exception, error.message, error.traceback), strict=True)
    return {
        REASON: reason.value,
        QUEUE: queue,
        WHEN: datetime.now(timezone.utc).isoformat(),
        HOST: socket.gethostname(),
        PID: os.getpid(),
        ATTEMPTS: attempts,
        **{name: _cut(text, name) for name, text in texts if text},
    }


def read(headers: Mapping[str, Any]) -> Letter:
    """Return the letter that ``headers`` describe, whoever wrote them."""
    # RabbitMQ puts the most recent event first.
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    death = first if isinstance(first, dict) else {}
    told = headers.get(REASON)
    by_broker = BROKER_REASONS.get(str(death.get("reason")), Reason.REJECTED)
    error = (_text(headers.get(name)) or "" for name in (EXCEPTION, MESSAGE, TRACEBACK))
    return Letter(
        reason=Reason(told) if told in [each.value for each in Reason] else by_broker,
        queue=_text(headers.get(QUEUE) or death.get("queue")),
        task=_text(headers.get(TASK) or headers.get("task")),
        error=ErrorDetails(*error),
        attempts=_count(headers.get(ATTEMPTS)),
        host=_text(headers.get(HOST)),
        process_id=_count(headers.get(PID)),
        when=_when(headers.get(WHEN) or death.get("time")),
    )


def _when(value: object) -> datetime | None:
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    # py-amqp reads a timestamp as UTC without saying so, and others write none.
    return when.replace(tzinfo=when.tzinfo or timezone.utc)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _type_name(kind: type[BaseException]) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _cut(text: str, header: str) -> str:
    """Return ``text`` in as many bytes of UTF-8 as ``header`` may have."""
    encoded, longest_bytes = text.encode("utf-8", "backslashreplace"), LONGEST_BYTES[header]
    if len(encoded) <= longest_bytes:
        return encoded.decode()
    room = longest_bytes - len("[...]")
    if header == TRACEBACK:  # its end tells most
        return f"[...]{encoded[-room:].decode('utf-8', 'ignore')}"
    return f"{encoded[:room].decode('utf-8', 'ignore')}[...]"

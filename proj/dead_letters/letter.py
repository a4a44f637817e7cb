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

HEADERS = (
    ATTEMPTS,
    REASON,
    QUEUE,
    TASK,
    EXCEPTION,
    MESSAGE,
    TRACEBACK,
    HOST,
    PID,
    WHEN,
    EXPIRATION,
    USER,
)
"""All of them: what an earlier death of the same message left is replaced as a whole."""

LONGEST_BYTES = {TASK: 255, EXCEPTION: 255, MESSAGE: 2_048, TRACEBACK: 16_384}
"""Text is cut to this: all headers of a message share one frame of 128 KiB with its properties."""


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
    headers: dict[str, str | int] = {
        REASON: reason.value,
        QUEUE: queue,
        WHEN: datetime.now(timezone.utc).isoformat(),
        HOST: socket.gethostname(),
        PID: os.getpid(),
        ATTEMPTS: attempts,
    }
    texts = {
        TASK: task or "",
        EXCEPTION: error.exception,
        MESSAGE: error.message,
        TRACEBACK: error.traceback,
    }
    for name, text in texts.items():
        if text:
            headers[name] = _cut(text, LONGEST_BYTES[name], keep_end=name == TRACEBACK)
    return headers


def read(headers: Mapping[str, Any]) -> Letter:
    """Return the letter that ``headers`` describe, whoever wrote them."""
    death = _last_death(headers)
    when = headers.get(WHEN)
    return Letter(
        reason=_reason(headers, death),
        queue=_text(headers.get(QUEUE) or death.get("queue")),
        task=_text(headers.get(TASK) or headers.get("task")),
        error=ErrorDetails(
            *(_text(headers.get(name)) or "" for name in (EXCEPTION, MESSAGE, TRACEBACK))
        ),
        attempts=_count(headers.get(ATTEMPTS)),
        host=_text(headers.get(HOST)),
        process_id=_count(headers.get(PID)),
        when=_when(when) if when else _when(death.get("time")),
    )


def _reason(headers: Mapping[str, Any], death: Mapping[str, Any]) -> Reason:
    told = headers.get(REASON)
    if told in [each.value for each in Reason]:
        return Reason(told)
    return BROKER_REASONS.get(str(death.get("reason")), Reason.REJECTED)


def _last_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    # RabbitMQ puts the most recent event first.
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        return deaths[0]
    return {}


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


def _cut(text: str, longest_bytes: int, *, keep_end: bool) -> str:
    """Return ``text`` in at most ``longest_bytes`` of UTF-8; of a traceback the end tells most."""
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) > longest_bytes:
        room = longest_bytes - len("[...]")
        cut = encoded[-room:] if keep_end else encoded[:room]
        shown = cut.decode("utf-8", "ignore")
        return f"[...]{shown}" if keep_end else f"{shown}[...]"
    return encoded.decode()

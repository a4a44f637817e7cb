"""The moment by which a publish gives control back; every wait for the broker ends there.

It belongs to the running thread or greenlet (a context variable), so that connecting, writing,
waiting for a confirm and closing keep to it without handing it through Kombu and py-amqp.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from time import monotonic

__all__ = ["FALLBACK_SECONDS", "bounded", "remaining", "within", "within_fallback"]

FALLBACK_SECONDS = 10.0
"""The deadline of a publish that nobody gave one, such as an event: no wait is without end."""

_ends_at: ContextVar[float | None] = ContextVar("publish_deadline", default=None)


def within(seconds: float) -> AbstractContextManager[None]:
    """Let every wait of the block end ``seconds`` from now, or at the outer deadline if sooner."""
    return _Deadline(seconds)


def within_fallback(seconds: float = FALLBACK_SECONDS) -> AbstractContextManager[None]:
    """Let every wait of the block end at the current deadline; without one, after ``seconds``."""
    return _Deadline(seconds) if _ends_at.get() is None else _UNCHANGED


def remaining() -> float | None:
    """Return the seconds that are left, 0.0 once the deadline has passed, None without one."""
    ends_at = _ends_at.get()
    return None if ends_at is None else max(0.0, ends_at - monotonic())


def bounded(seconds: float | None) -> float | None:
    """Return the shorter of ``seconds`` and what is left; None means without limit."""
    left = remaining()
    if left is None or seconds is None:
        return seconds if left is None else left
    return min(seconds, left)


class _Deadline:
    """A block with a deadline; no generator, for each publish enters three, and that costs more."""

    __slots__ = ("_outer", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        ends_at = monotonic() + self._seconds
        outer = _ends_at.get()
        self._outer = _ends_at.set(ends_at if outer is None else min(outer, ends_at))

    def __exit__(self, *_: object) -> None:
        _ends_at.reset(self._outer)


_UNCHANGED = nullcontext()

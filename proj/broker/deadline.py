"""The moment by which a publish gives control back; every wait for the broker ends there.

It belongs to the running thread or greenlet (a context variable), so that connecting, writing,
waiting for a confirm and closing keep to it without handing it through Kombu and py-amqp.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

__all__ = ["FALLBACK_SECONDS", "bounded", "remaining", "within", "within_fallback"]

FALLBACK_SECONDS = 10.0
"""The deadline of a publish that nobody gave one, such as an event: no wait is without end."""

_ends_at: ContextVar[float | None] = ContextVar("publish_deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let every wait of the block end ``seconds`` from now, or at the outer deadline if sooner."""
    ends_at = monotonic() + seconds
    outer = _ends_at.get()
    token = _ends_at.set(ends_at if outer is None else min(outer, ends_at))
    try:
        yield
    finally:
        _ends_at.reset(token)


@contextmanager
def within_fallback(seconds: float = FALLBACK_SECONDS) -> Iterator[None]:
    """Let every wait of the block end at the current deadline; without one, after ``seconds``."""
    if _ends_at.get() is None:
        with within(seconds):
            yield
    else:
        yield


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

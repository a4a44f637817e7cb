"""Waits for a condition, and fails with the last state seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_until"]

T = TypeVar("T")


def wait_until(
    look: Callable[[], T],
    is_so: Callable[[T], bool] = bool,
    *,
    what: str,
    timeout_seconds: float = 60.0,
    interval_seconds: float = 0.05,
) -> T:
    """Return what ``look`` returns as soon as ``is_so`` holds for it.

    Raises ``TimeoutError`` that says ``what`` was waited for and what was last seen.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        seen = look()
        if is_so(seen):
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{what}: not within {timeout_seconds} s; last seen: {repr(seen)[-2000:]}"
            )
        time.sleep(interval_seconds)

"""One delivery of a message, as settlement sees it: no consumer, no pool, no channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proj.dead_letters.copying import Original

__all__ = ["Delivery", "Limits"]


@dataclass(frozen=True)
class Delivery:
    """What was delivered, and from which queue."""

    original: Original
    headers: Mapping[str, Any]
    queue: str
    redelivered: bool
    task: str | None


@dataclass(frozen=True)
class Limits:
    """What the settings and the task say of giving up."""

    attempts: int
    dead_letter_failures: bool

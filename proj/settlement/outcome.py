"""How a delivery ended, in the worker's words, before anybody has decided what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from proj.dead_letters.letter import NO_ERROR, ErrorDetails
from proj.dead_letters.reasons import Reason

__all__ = ["DONE", "GIVEN_BACK", "Ending", "Outcome", "failed", "try_again"]


class Ending(Enum):
    """The four ways in which a delivery ends."""

    DONE = auto()
    """Nothing is left to do: success, ignored, revoked, or a retry that was published."""

    TRY_AGAIN = auto()
    """It began and did not end: its process was lost, or the task asked for another try."""

    GIVEN_BACK = auto()
    """Stopped by us: whether it began or not, it is not the task's fault."""

    FAILED = auto()
    """It will not end well however often it is tried."""


@dataclass(frozen=True)
class Outcome:
    """How one delivery ended; ``reason`` is there for :attr:`Ending.FAILED` only."""

    ending: Ending
    reason: Reason | None = None
    error: ErrorDetails = NO_ERROR


DONE = Outcome(Ending.DONE)
GIVEN_BACK = Outcome(Ending.GIVEN_BACK)


def try_again(error: ErrorDetails) -> Outcome:
    """Return the outcome of a delivery that began and did not end."""
    return Outcome(Ending.TRY_AGAIN, error=error)


def failed(reason: Reason, error: ErrorDetails) -> Outcome:
    """Return the outcome of a delivery that will not end well."""
    return Outcome(Ending.FAILED, reason, error)

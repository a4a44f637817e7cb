"""Decides what becomes of a delivery: a pure function of the delivery, its outcome and the limits.

To try again is to publish a copy that carries the count, at the queue's end, and to acknowledge the
original: no broker counts what is given back in the same way on every type of queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from proj.dead_letters.letter import NO_ERROR, ErrorDetails
from proj.dead_letters.reasons import Reason
from proj.settlement import attempts
from proj.settlement.delivery import Delivery, Limits
from proj.settlement.outcome import Ending, Outcome

__all__ = ["ACKNOWLEDGE", "Action", "Decision", "before_it_begins", "decide"]

CALLED_FOR = frozenset(
    {
        Reason.FAILED,
        Reason.TIME_LIMIT,
        Reason.REJECTED,
        Reason.EXPIRED,
        Reason.INVALID_ARGUMENTS,
    }
)
"""Reasons that a task or its caller brings about; ``dead_letter_failures`` may forgo these."""


class Action(Enum):
    """What to do with the message on the broker; each ends with acknowledging the original."""

    ACKNOWLEDGE = auto()
    PUT_BACK = auto()
    DEAD_LETTER = auto()


@dataclass(frozen=True)
class Decision:
    """What to do, with the attempts that the copy tells of."""

    action: Action
    attempts: int = 0
    reason: Reason | None = None
    error: ErrorDetails = NO_ERROR
    due: datetime | None = None
    """When a message that is put back may come again; None: at once."""


ACKNOWLEDGE = Decision(Action.ACKNOWLEDGE)


def before_it_begins(delivery: Delivery, limits: Limits) -> Decision | None:
    """Return what to do instead of running ``delivery``; None to run it."""
    headers, redelivered = delivery.headers, delivery.redelivered
    begun = attempts.begun_before(headers, redelivered=redelivered)
    if begun >= limits.attempts:
        error = ErrorDetails(
            message=f"begun {begun} times, and never ended: its worker was lost each time"
        )
        return Decision(Action.DEAD_LETTER, begun, Reason.ATTEMPTS_EXHAUSTED, error)
    if attempts.is_uncounted(headers, redelivered=redelivered):
        return Decision(Action.PUT_BACK, begun)
    return None


def decide(delivery: Delivery, outcome: Outcome, limits: Limits, *, has_begun: bool) -> Decision:
    """Return what becomes of ``delivery``, which ended as ``outcome``."""
    if outcome.ending is Ending.DONE:
        return ACKNOWLEDGE
    begun = attempts.begun_before(delivery.headers, redelivered=delivery.redelivered)
    if outcome.ending is Ending.GIVEN_BACK:
        return Decision(Action.PUT_BACK, begun)
    begun += has_begun
    if outcome.ending is Ending.TRY_AGAIN:
        if begun < limits.attempts:
            return Decision(Action.PUT_BACK, begun)
        return Decision(Action.DEAD_LETTER, begun, Reason.ATTEMPTS_EXHAUSTED, outcome.error)
    if outcome.reason in CALLED_FOR and not limits.dead_letter_failures:
        return ACKNOWLEDGE
    return Decision(Action.DEAD_LETTER, begun, outcome.reason, outcome.error)

"""Carries out a decision: the copy first, confirmed; then the original may be acknowledged."""

from __future__ import annotations

from datetime import datetime, timezone

from proj.dead_letters.copying import Copies
from proj.dead_letters.letter import ATTEMPTS, headers_of
from proj.dead_letters.reasons import Reason
from proj.settlement.decision import Action, Decision
from proj.settlement.delivery import Delivery

__all__ = ["copy_if_needed"]


def copy_if_needed(
    decision: Decision, delivery: Delivery, copies: Copies, dead_letter_queue: str
) -> None:
    """Publish the copy that ``decision`` asks for; once this returns, acknowledge the original.

    Raises :class:`proj.dead_letters.copying.CopyRefused`: then the original must stay.
    """
    if decision.action is Action.PUT_BACK:
        seconds = _seconds_until(decision.due) if decision.due else 0.0
        headers: dict[str, str | int] = {ATTEMPTS: decision.attempts}
        if seconds > 0:
            copies.publish_delayed(delivery.original, delivery.queue, headers, seconds)
        else:
            copies.publish(delivery.original, delivery.queue, headers, drop_expiration=False)
    elif decision.action is Action.DEAD_LETTER:
        headers = headers_of(
            decision.reason or Reason.FAILED,
            queue=delivery.queue,
            task=delivery.task,
            attempts=decision.attempts,
            error=decision.error,
        )
        copies.publish(delivery.original, dead_letter_queue, headers, drop_expiration=True)


def _seconds_until(due: datetime) -> float:
    return (due - datetime.now(timezone.utc)).total_seconds()

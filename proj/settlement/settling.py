"""Carries out a decision: the copy first, confirmed; then the original may be acknowledged."""

from __future__ import annotations

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
        copies.publish(
            delivery.original, delivery.queue, {ATTEMPTS: decision.attempts}, drop_expiration=False
        )
    elif decision.action is Action.DEAD_LETTER:
        headers = headers_of(
            decision.reason or Reason.FAILED,
            queue=delivery.queue,
            task=delivery.task,
            attempts=decision.attempts,
            error=decision.error,
        )
        copies.publish(delivery.original, dead_letter_queue, headers, drop_expiration=True)

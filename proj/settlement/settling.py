"""Carries out a decision: the copy first, confirmed; then the original may be acknowledged."""

from __future__ import annotations

from datetime import datetime, timezone

from proj.dead_letters.copying import Copies
from proj.dead_letters.letter import ATTEMPTS, HEADERS, headers_of
from proj.dead_letters.reasons import Reason
from proj.settlement.decision import Action, Decision
from proj.settlement.delivery import Delivery
from proj.topology.delays import DELAYED_UNTIL, LONGEST_SECONDS

__all__ = ["ETA", "copy_if_needed"]

ETA = "eta"
"""Celery's header with the moment before which a task must not begin."""


def copy_if_needed(
    decision: Decision, delivery: Delivery, copies: Copies, dead_letter_queue: str
) -> None:
    """Publish the copy that ``decision`` asks for; once this returns, acknowledge the original.

    Raises :class:`proj.dead_letters.copying.CopyRefused`: then the original must stay.
    """
    if decision.action is Action.PUT_BACK:
        due = decision.due
        seconds = (due - datetime.now(timezone.utc)).total_seconds() if due else 0.0
        copies.publish(
            delivery.original,
            delivery.queue,
            {ATTEMPTS: decision.attempts} | ({DELAYED_UNTIL: due.isoformat()} if due else {}),
            # Its time to live would end it on the way; the worker looks at `expires`.
            drop_expiration=due is not None,
            # What RabbitMQ brings is due, unless its longest delay was too short.
            drop_headers=(*HEADERS, ETA) if due and seconds <= LONGEST_SECONDS else HEADERS,
            delay_seconds=seconds,
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

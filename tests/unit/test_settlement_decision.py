"""What becomes of a delivery, decided without a broker."""

from __future__ import annotations

from typing import Any

import pytest

from proj.dead_letters.copying import Original
from proj.dead_letters.letter import NO_ERROR, ErrorDetails
from proj.dead_letters.reasons import Reason
from proj.settlement.decision import ACKNOWLEDGE, Action, before_it_begins, decide
from proj.settlement.delivery import Delivery, Limits
from proj.settlement.outcome import DONE, GIVEN_BACK, failed, try_again

LIMITS = Limits(attempts=3, dead_letter_failures=True)
FORGETFUL = Limits(attempts=3, dead_letter_failures=False)


def delivery(headers: dict[str, Any] | None = None, *, redelivered: bool = False) -> Delivery:
    """Return a delivery with these headers."""
    return Delivery(Original(b"", b"\0\0"), headers or {}, "task_queue", redelivered, "note")


def test_what_is_done_is_acknowledged() -> None:
    """Success, ignored, revoked: nothing is left to do."""
    assert decide(delivery(), DONE, LIMITS, has_begun=True) == ACKNOWLEDGE


@pytest.mark.parametrize(
    ("told_before", "action"), [(0, Action.PUT_BACK), (1, Action.PUT_BACK), (2, Action.DEAD_LETTER)]
)
def test_another_try_is_granted_until_the_limit(told_before: int, action: Action) -> None:
    """The count that the copy carries includes the run that has just ended."""
    decision = decide(
        delivery({"x-attempts": told_before}), try_again(NO_ERROR), LIMITS, has_begun=True
    )

    assert decision.action is action
    assert decision.attempts == told_before + 1
    assert decision.reason is (Reason.ATTEMPTS_EXHAUSTED if action is Action.DEAD_LETTER else None)


def test_what_is_given_back_counts_no_attempt() -> None:
    """A worker that stops takes nothing from the attempts of what it ran."""
    decision = decide(delivery({"x-attempts": 2}), GIVEN_BACK, LIMITS, has_begun=True)

    assert (decision.action, decision.attempts) == (Action.PUT_BACK, 2)


@pytest.mark.parametrize("reason", list(Reason))
def test_only_failures_that_a_task_calls_for_can_be_forgone(reason: Reason) -> None:
    """``dead_letter_failures = False`` never loses what did not run, or did not end."""
    decision = decide(delivery(), failed(reason, NO_ERROR), FORGETFUL, has_begun=True)

    kept = {
        Reason.UNDECODABLE,
        Reason.UNKNOWN_TASK,
        Reason.ATTEMPTS_EXHAUSTED,
        Reason.QUEUE_FULL,
    }
    assert (decision.action is Action.DEAD_LETTER) == (reason in kept)


def test_a_message_that_never_began_has_no_attempt() -> None:
    """A message that cannot be decoded was not tried."""
    error = ErrorDetails("ValueError", "not a message")
    decision = decide(delivery(), failed(Reason.UNDECODABLE, error), LIMITS, has_begun=False)

    assert (decision.action, decision.attempts, decision.error) == (Action.DEAD_LETTER, 0, error)


@pytest.mark.parametrize(
    ("headers", "redelivered", "expected"),
    [
        # Fresh messages, of RabbitMQ 3.10's quorum queues too, run at once.
        ({}, False, None),
        ({"x-delivery-count": 0}, False, None),
        ({"x-attempts": 2}, False, None),
        # A quorum queue counts lost deliveries itself: run, with no copy.
        ({"x-delivery-count": 1}, True, None),
        ({"x-attempts": 1, "x-delivery-count": 1}, True, None),
        # A classic queue does not: the count is written down before the next run.
        ({}, True, (Action.PUT_BACK, 1)),
        ({"x-attempts": 1}, True, (Action.PUT_BACK, 2)),
        # Returned by RabbitMQ 4.3 after a consumer timeout, which its count leaves out.
        ({"x-acquired-count": 1}, True, (Action.PUT_BACK, 1)),
        # Begun as often as it may.
        ({"x-attempts": 2}, True, (Action.DEAD_LETTER, 3)),
        ({"x-delivery-count": 3}, True, (Action.DEAD_LETTER, 3)),
        ({"x-attempts": 3}, False, (Action.DEAD_LETTER, 3)),
        # Brought along from another queue: believed by nobody, and replaced.
        ({"x-delivery-count": 500}, False, (Action.PUT_BACK, 0)),
        # Not ours.
        ({"x-attempts": "many", "x-delivery-count": []}, False, None),
        ({"x-attempts": -5}, False, None),
        ({"x-attempts": True}, False, None),
    ],
)
def test_before_it_begins_a_delivery_is_counted_from_what_the_broker_tells(
    headers: dict[str, Any], *, redelivered: bool, expected: tuple[Action, int] | None
) -> None:
    """The same limit holds on every broker and every type of queue."""
    decision = before_it_begins(delivery(headers, redelivered=redelivered), LIMITS)

    assert (decision and (decision.action, decision.attempts)) == expected


def test_the_brokers_own_limit_never_comes_first() -> None:
    """With a limit above RabbitMQ's 20, ours replaces the broker's count before it gets there."""
    many = Limits(attempts=100, dead_letter_failures=True)

    decision = before_it_begins(delivery({"x-delivery-count": 10}, redelivered=True), many)

    assert decision is not None
    assert (decision.action, decision.attempts) == (Action.PUT_BACK, 10)

"""What became of each message of ``publish_many``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from proj.errors import PublishError, Refused, Unroutable, Unwritable, WorkQueueError
from proj.publishing.task_message import TaskMessage

__all__ = ["Interrupted", "NotAllPublished", "Outcome", "Outcomes"]


@dataclass(frozen=True)
class Outcome:
    """What became of one message."""

    number: int
    """Its place in the iterable, from 0."""
    message: TaskMessage
    """``publish_many`` takes it again, with the same task id."""
    error: PublishError | None = None
    """Why it may not be on the broker; None: the broker holds it."""

    @property
    def state(self) -> str:
        """``confirmed``, ``refused``, ``unroutable`` or ``unknown``.

        ``refused`` is also a message that cannot be written as AMQP, of which nothing was sent.
        """
        if self.error is None:
            return "confirmed"
        states = {Refused: "refused", Unwritable: "refused", Unroutable: "unroutable"}
        return states.get(type(self.error), "unknown")


@dataclass
class Outcomes:
    """What became of the messages so far, each in exactly one state."""

    failed: list[Outcome] = field(default_factory=list)
    """All that are not confirmed, in their order; as many as ``failures_limit`` and a window."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many messages are in each state."""
    on_outcome: Callable[[Outcome], None] | None = None

    @property
    def total(self) -> int:
        """How many messages have an outcome."""
        return self.counts.total()

    @property
    def confirmed(self) -> int:
        """How many messages the broker holds."""
        return self.counts["confirmed"]

    def add(self, message: TaskMessage, error: PublishError | None = None) -> None:
        """Note what became of the next message."""
        if error is None and self.on_outcome is None:
            self.counts["confirmed"] += 1
            return
        outcome = Outcome(self.total, message, error)
        self.counts[outcome.state] += 1
        if error is not None:
            self.failed.append(outcome)
        if self.on_outcome is not None:
            self.on_outcome(outcome)


class NotAllPublished(WorkQueueError):
    """Not every message is confirmed; ``outcomes`` tells which, and why."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        told = ", ".join(f"{count:,} {state}" for state, count in sorted(outcomes.counts.items()))
        first = outcomes.failed[0]
        super().__init__(
            f"Not every message was published: {told}. The first is message {first.number}: "
            f"{first.error} publish_many takes the messages of outcomes.failed again, with the "
            f"same task ids; what came after message {outcomes.total - 1} was not sent."
        )


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in ``publish_many``; ``outcomes`` tells what became of the messages until then."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        super().__init__(f"{outcomes.confirmed:,} messages are published")

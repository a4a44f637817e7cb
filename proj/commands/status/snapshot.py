"""The work queue at one moment, as far as its broker and its workers tell; None is unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from proj.pause import Pause

__all__ = ["QueueState", "Snapshot"]


@dataclass
class QueueState:
    """One queue, or all queues of delayed tasks together."""

    name: str
    ready: int | None = None
    in_work: int | None = None
    """Delivered and not acknowledged."""
    oldest_seconds: float | None = None
    """The age of the next message since it was published, of a dead letter since it died."""
    consumers: int | None = None
    in_per_second: float | None = None
    out_per_second: float | None = None
    most: int | None = None
    """How many messages it takes (``max-length``)."""


@dataclass
class Snapshot:
    """All that ``status`` shows."""

    when: datetime
    broker: str
    """Its URL, with the password masked."""
    work: QueueState
    delayed: QueueState
    dead_letters: QueueState
    pause: Pause | None = None
    workers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Node name -> what it answered: see :mod:`proj.worker.telling`."""
    problem: str | None = None
    """What is wrong with the management API."""
    dead_letters_grown: int = 0
    """Since the sample before."""

    @property
    def answered(self) -> int:
        """How many workers that the broker may count as consumers have answered.

        In a paused queue the paused ones too: a quorum queue knows a consumer until what it holds
        is acknowledged.
        """
        is_paused = self.pause is not None
        told = self.workers.values()
        return sum(each["consuming"] or (is_paused and each["paused"]) for each in told)

    @property
    def all_answered(self) -> bool:
        """Whether every consumer of the work queue is one of the workers that answered."""
        # For each message that is kept a worker has begun anew, and a quorum queue counts both.
        return self.work.consumers is not None and self.answered + self.kept >= self.work.consumers

    @property
    def kept(self) -> int:
        """How many messages the workers keep, since no queue takes their copies."""
        return sum(each.get("kept", 0) for each in self.workers.values())

    @property
    def taken(self) -> int:
        """How many messages the workers have taken since they started."""
        return sum(each["taken"] for each in self.workers.values())

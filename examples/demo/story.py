"""What happens in the demo: watch the workers, kill one half-way, watch the rest do it all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.worker import Worker

if TYPE_CHECKING:
    from examples.demo.display import Display

__all__ = ["BODIES", "Story"]

DOTS = (3, 2, 4, 2, 3, 4, 2, 3, 2, 3)
BODIES = tuple(f"Message {number}{'.' * dots}" for number, dots in enumerate(DOTS))

LOOK_EVERY_SECONDS = 0.1
ALL_DONE_WITHIN_SECONDS = 90
KILL_AFTER_DONE = 4
KILL_AT_LEAST_BEFORE_END_SECONDS = 1.2


@dataclass
class Story:
    """The deliveries seen so far, and what was done to whom."""

    workers: list[Worker]
    display: Display
    deliveries: dict[str, list[str]] = field(default_factory=lambda: {body: [] for body in BODIES})
    done: list[str] = field(default_factory=list)
    in_work: dict[str, tuple[str, float]] = field(default_factory=dict)
    killed: tuple[str, str] | None = None
    """The killed worker's name, and the message it was at."""

    def run(self) -> None:
        """Follow the workers until every message is done, or too much time has passed."""
        deadline = time.monotonic() + ALL_DONE_WITHIN_SECONDS
        while not self.all_done() and time.monotonic() < deadline:
            for worker in self.workers:
                self._look_at(worker)
            if self.killed is None and len(self.done) >= KILL_AFTER_DONE:
                self._kill_one_at_work()
            self.display.show(self)
            time.sleep(LOOK_EVERY_SECONDS)

    def all_done(self) -> bool:
        """Return whether each of the ten messages ran to its end."""
        return set(self.done) == set(BODIES)

    def _look_at(self, worker: Worker) -> None:
        received, done = worker.received(), worker.done()
        for body in done:
            if body not in self.done:
                self.done.append(body)
                self.display.done(worker.name, body)
        for body in received[self._seen(worker) :]:
            self.deliveries[body].append(worker.name)
            self.in_work[worker.name] = (body, time.monotonic())
            self.display.received(worker.name, body)
        if len(received) == len(done):
            self.in_work.pop(worker.name, None)

    def _seen(self, worker: Worker) -> int:
        return sum(names.count(worker.name) for names in self.deliveries.values())

    def _kill_one_at_work(self) -> None:
        for worker in self.workers:
            body, since = self.in_work.get(worker.name, ("", 0.0))
            left_seconds = since + body.count(".") - time.monotonic()
            if body and left_seconds > KILL_AT_LEAST_BEFORE_END_SECONDS:
                worker.kill()
                self.killed = (worker.name, body)
                del self.in_work[worker.name]
                self.display.killed(worker.name, body)
                return

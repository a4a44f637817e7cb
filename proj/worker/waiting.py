"""Messages whose copy no queue takes: they stay unacknowledged, and are tried again every while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from celery.utils.log import get_logger

from proj.settlement.decision import Action

if TYPE_CHECKING:
    from proj.worker.settling import Job, Settler

__all__ = ["Waiting"]

logger = get_logger(__name__)

TRY_AGAIN_SECONDS = 5.0
SAY_SO_SECONDS = 60.0

MOST = 100
"""How many may wait beside the running ones; beyond, the worker takes no more in their place."""


class Waiting:
    """The messages of ``settler`` that wait until the broker takes their copies."""

    def __init__(self, settler: Settler) -> None:
        self.settler = settler
        self.jobs: dict[int, Job] = {}
        self.under_way: set[int] = set()
        """Which of them are tried again now: a broker may refuse more slowly than we try."""
        self._said = float("-inf")
        self._asked = False

    def add(self, job: Job, refusal: Exception) -> None:
        """Keep ``job`` for another try; its process is free for other messages."""
        consumer = self.settler.consumer
        is_new = id(job.message) not in self.jobs
        self.jobs[id(job.message)] = job
        self._say(job, refusal)
        if is_new and job.acknowledge and len(self.jobs) <= MOST:
            consumer.subscription.make_room()
        if not self._asked:
            self._asked = True
            consumer.timer.call_after(TRY_AGAIN_SECONDS, self._try_again)

    def took(self, job: Job) -> None:
        """Forget ``job``: its copy is on the broker."""
        if self.jobs.pop(id(job.message), None) and not self.jobs:
            self._said = float("-inf")
            logger.warning("The broker takes dead letters again; none waits any more.")

    def forget(self) -> None:
        """Forget all: their connection is gone, the broker delivers them again."""
        self.jobs.clear()
        self.under_way.clear()

    def _try_again(self) -> None:
        self._asked = False
        for number, job in list(self.jobs.items()):
            if number not in self.under_way:
                self.under_way.add(number)
                self.settler.submit(job)

    def _say(self, job: Job, refusal: Exception) -> None:
        now = time.monotonic()
        if now - self._said < SAY_SO_SECONDS:
            return
        self._said = now
        is_letter = job.decision.action is Action.DEAD_LETTER
        target = self.settler.dead_letter_queue if is_letter else job.delivery.queue
        logger.critical(
            "The queue %r does not take a copy of a message: %s. "
            "Nothing is lost: %d message(s) stay unacknowledged in %r, and are tried again "
            "every %d s. Make room in the queue, or declare it again.",
            target,
            refusal,
            len(self.jobs),
            job.delivery.queue,
            TRY_AGAIN_SECONDS,
        )

"""Ends a worker whose main thread does not stop in time: it runs a task itself, or waits for one.

So it is with the pools that have no processes, and without an event loop.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery.platforms import EX_OK
from celery.utils.log import get_logger

from proj.dead_letters.copying import Copies
from proj.settlement.outcome import GIVEN_BACK
from proj.settlement.settling import copy_if_needed
from proj.worker.pool import processes_of

if TYPE_CHECKING:
    from proj.worker.stopping import Stopping

__all__ = ["LastResort"]

logger = get_logger(__name__)

LOOK_SECONDS = 0.1


class LastResort:
    """Watches from a thread of its own that ``stopping`` ends, some time after its deadline."""

    def __init__(self, stopping: Stopping, *, extra_seconds: float) -> None:
        self.stopping = stopping
        self.extra_seconds = extra_seconds

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="last resort", daemon=True).start()

    def _watch(self) -> None:
        consumer = self.stopping.consumer
        # A main thread that turns gives back by itself; one that does not is not waited for.
        while time.monotonic() < (self.stopping.deadline or 0.0) + 1.0:
            time.sleep(LOOK_SECONDS)
        if not self.stopping.has_given_back:
            self._give_back(consumer)
            self._leave(consumer)
        ends_at = time.monotonic() + self.extra_seconds * 2
        while time.monotonic() < ends_at and self._is_worth_waiting(consumer):
            time.sleep(LOOK_SECONDS)
        self._leave(consumer)

    def _give_back(self, consumer: Any) -> None:
        settler = consumer.settler
        copies = Copies(settler.connect, timeout_seconds=self.extra_seconds)
        for request in list(settler.unsettled):
            if request.acknowledged:
                continue
            decision = settler.decide(
                request.message, GIVEN_BACK, request.task.name, has_begun=False
            )
            delivery = settler.delivery(request.message, request.task.name)
            try:
                copy_if_needed(decision, delivery, copies, settler.dead_letter_queue)
                request.message.ack()
            except Exception as error:  # noqa: BLE001 - its connection's end gives it back too
                logger.warning("Task %s goes back with the connection: %r", request.id, error)

    def _is_worth_waiting(self, consumer: Any) -> bool:
        # A pool of threads waits for its tasks without end; what it had is back on the broker.
        return bool(processes_of(consumer.pool)) or consumer.settler.beside.unfinished > 0

    def _leave(self, consumer: Any) -> None:
        logger.warning("Stopping: the running tasks did not end in time; leaving.")
        for process in processes_of(consumer.pool):
            with suppress(OSError, AttributeError):
                os.kill(process.pid, signal.SIGKILL)
        # What is registered with atexit is skipped.
        consumer.health.remove()
        os._exit(EX_OK)

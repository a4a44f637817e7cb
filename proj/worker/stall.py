"""Reconnects a worker that is connected, idle, and given nothing although messages wait."""

from __future__ import annotations

import time
from typing import Any

from amqp.exceptions import RecoverableConnectionError
from celery.utils.log import get_logger

from proj.dead_letters.copying import CopyRefused
from proj.worker.waiting import MOST

__all__ = ["StallWatch"]

logger = get_logger(__name__)

LOOKS_PER_STALL = 3


class StallWatch:
    """Looks whether ``consumer`` (ours) should have been given something in ``stall_seconds``."""

    def __init__(self, consumer: Any, stall_seconds: float) -> None:
        self.consumer = consumer
        self.stall_seconds = stall_seconds
        self._is_asking = False

    def register(self, hub: Any) -> None:
        """Look every while, for as long as this connection lasts."""
        hub.call_repeatedly(self.stall_seconds / LOOKS_PER_STALL, self.look)

    def look(self) -> None:
        """Ask the broker for the length of the queues, if this worker may be stalled."""
        if self._is_asking or not self._may_be_stalled():
            return
        self._is_asking = True
        queues = self.consumer.subscription.queues()
        self.consumer.settler.beside.do(lambda: self._waiting(queues), self._on_answer)

    def _may_be_stalled(self) -> bool:
        consumer = self.consumer
        idle_seconds = time.monotonic() - consumer.subscription.last_delivery
        processes = getattr(consumer.pool, "num_processes", 1)
        return (
            idle_seconds >= self.stall_seconds
            and len(consumer.settler.unsettled) < processes
            and len(consumer.settler.waiting.jobs) <= MOST
            and not consumer.stopping.is_stopping
            and bool(consumer.subscription.queues())
        )

    def _waiting(self, queues: list[str]) -> int:
        try:
            return sum(self.consumer.settler.copies.message_count(queue) for queue in queues)
        except CopyRefused:
            return 0  # The broker is away: the connection's own heartbeat tells.

    def _on_answer(self, waiting: int) -> None:
        self._is_asking = False
        if waiting and self._may_be_stalled():
            logger.error(
                "Stalled: %d message(s) wait, a process is idle, and the broker has delivered "
                "nothing for %.0f s. Connecting again.",
                waiting,
                time.monotonic() - self.consumer.subscription.last_delivery,
            )
            raise RecoverableConnectionError("stalled: no delivery although messages wait")

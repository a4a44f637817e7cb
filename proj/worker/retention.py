"""Has a worker remove old dead letters, where ``work_queue_dead_letters_keep_*`` asks for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from celery.utils.log import get_logger

from proj.errors import WorkQueueError

if TYPE_CHECKING:
    from proj.dead_letters.entry import DeadLetter

__all__ = ["Retention"]

logger = get_logger(__name__)

LOOK_SECONDS = 60.0
"""How often a worker looks; of a letter that is not old enough it looks when it will be."""

AT_MOST = 10_000
"""Letters that one look removes."""


class Retention:
    """The retention of dead letters, done by ``consumer`` (ours) and by every other worker."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.settings = consumer.work_queue_settings
        self.removed = 0
        """How many letters this worker has removed since it started."""
        self._thread: threading.Thread | None = None
        self._old_at = 0.0

    @property
    def is_wanted(self) -> bool:
        """Whether a setting asks for it."""
        keeps = (self.settings.dead_letters_keep_seconds, self.settings.dead_letters_keep_count)
        return keeps != (None, None)

    def look(self) -> None:
        """Remove what is too old or too many, in a thread: nothing here waits for a broker."""
        # On RabbitMQ 3.10 a quorum queue counts each look at a letter: none is looked at in vain.
        is_due = time.monotonic() >= self._old_at
        keep_seconds = self.settings.dead_letters_keep_seconds if is_due else None
        is_wanted = keep_seconds or self.settings.dead_letters_keep_count
        if is_wanted and not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(
                target=self._remove, args=(keep_seconds,), name="retention", daemon=True
            )
            self._thread.start()

    def _remove(self, keep_seconds: float | None) -> None:
        # Not at the top: few workers are asked to.
        from proj.dead_letters.retaining import remove_old  # noqa: PLC0415

        before = self.removed
        try:
            left = remove_old(
                self.consumer.app,
                keep_seconds=keep_seconds,
                keep_count=self.settings.dead_letters_keep_count,
                at_most=AT_MOST,
                on_removed=self._on_removed,
            )
            if left is not None:
                self._old_at = time.monotonic() + left
        except WorkQueueError as error:
            logger.warning("Retention: %s", error)
        except Exception:  # one letter's oddness must not end the thread
            logger.exception("Retention: failed, trying again in %d s", LOOK_SECONDS)
        if self.removed > before:
            logger.warning("Retention: %d old dead letters removed.", self.removed - before)

    def _on_removed(self, entry: DeadLetter) -> None:
        self.removed += 1
        told = entry.letter
        logger.info(
            "Retention: removed dead letter %s: %s: task %s, died %s",
            entry.id,
            told.reason.value,
            told.task,
            told.when and told.when.isoformat(),
        )

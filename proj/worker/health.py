"""Keeps in a file of this host whether the worker is connected and consuming: see proj.health."""

from __future__ import annotations

import atexit
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from celery.utils.log import get_logger

from proj import health

__all__ = ["Health"]

logger = get_logger(__name__)

TURN_SECONDS = 1.0


class Health:
    """The file of ``consumer`` (ours), written at each turn of its loop that a timer tells."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        chosen = consumer.work_queue_settings.runtime_folder
        self.is_default = chosen is None
        self.file = Path(health.file_of(chosen or health.runtime_folder(), consumer.hostname))
        self.pid = os.getpid()
        self.process_started = health.process_started(self.pid)
        self._can_write = True
        # Not as the consumer ends: the loop turns on until the pool has ended.
        atexit.register(self.remove)

    def write(self) -> None:
        """Write what is so now; a file that cannot be written costs no message."""
        fact = json.dumps(self._fact())
        written = self.file.with_suffix(".new")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.is_default and self.file.parent.lstat().st_uid != os.getuid():
                # In /tmp anybody may make it first, and lead our writing elsewhere.
                raise PermissionError(f"{self.file.parent} belongs to another user")
            written.write_text(fact)
            written.replace(self.file)
            self._can_write = True
        except OSError as error:
            if self._can_write:
                logger.warning("workqueue-health cannot tell of this worker: %s", error)
            self._can_write = False

    def turning(self, callback: Callable[[], Any] | None) -> Callable[[], None]:
        """Return what tells, as a turn of the loop does, that the worker lives, and calls back."""

        def turn() -> None:
            self.write()
            if callback:
                callback()

        return turn

    def remove(self) -> None:
        """Remove the file: this worker ends."""
        # Not in a child process, which has inherited this.
        if os.getpid() == self.pid:
            with suppress(OSError):
                self.file.unlink()

    def _fact(self) -> dict[str, Any]:
        consumer = self.consumer
        connection = getattr(consumer, "connection", None)
        connected = bool(connection and connection.connected)
        pause = consumer.pausing.lasting
        return {
            "node": consumer.hostname,
            "pid": self.pid,
            "process_started": self.process_started,
            "turned": time.monotonic(),
            "queue": consumer.work_queue_settings.name,
            "connected": connected,
            "consuming": consumer.subscription.queues() if connected else [],
            "pause": asdict(pause) if pause else None,
            "stopping": consumer.stopping.is_stopping,
        }

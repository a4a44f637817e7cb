"""The relay as a part of every worker."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

from celery import bootsteps

from proj.configuration import work_queue_settings
from proj.contrib.django.relay import Relay

__all__ = ["OutboxRelay"]


class OutboxRelay(bootsteps.StartStopStep):
    """Runs the relay in a thread beside the worker's event loop."""

    requires = ("celery.worker.components:Pool",)  # its processes are forked before the thread runs

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.enabled = work_queue_settings(parent.app).outbox
        self.stopping = Event()
        self.thread = Thread(
            target=Relay(parent.app).run, args=(self.stopping,), name="outbox-relay", daemon=True
        )

    def start(self, _parent: Any) -> None:
        """Start with the worker."""
        self.thread.start()

    def stop(self, _parent: Any) -> None:
        """Let the batch at hand end; what is not sent stays in the outbox."""
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join(1.0)

    terminate = stop

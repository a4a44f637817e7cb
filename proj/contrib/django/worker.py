"""The relay as a part of every worker."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from celery import bootsteps

from proj.configuration import work_queue_settings
from proj.contrib.django.outbox import databases
from proj.contrib.django.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

__all__ = ["OutboxRelay", "relaying"]


class OutboxRelay(bootsteps.StartStopStep):
    """Runs the relays beside the worker's event loop."""

    requires = ("celery.worker.components:Pool",)  # its processes are forked before threads run

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.stopping = Event()
        self.threads: list[Thread] = []

    def start(self, parent: Any) -> None:
        """Start with the worker."""
        self.threads = relaying(parent.app, self.stopping)

    def stop(self, _parent: Any) -> None:
        """Let the batches at hand end; what is not sent stays in the outbox."""
        self.stopping.set()
        for each in self.threads:
            each.join(1.0)

    terminate = stop


def relaying(app: Celery, *arguments: Event | Callable[..., None]) -> list[Thread]:
    """Start a relay for each outbox of ``app``, with the ``arguments`` of :meth:`Relay.run`.

    Each has a thread, since Django's connections belong to one, and a database that is away holds
    up its own outbox only.
    """
    threads = [
        Thread(target=Relay(app, alias).run, args=arguments, name=f"outbox-{alias}", daemon=True)
        for alias in databases(work_queue_settings(app))
    ]
    for each in threads:
        each.start()
    return threads

"""The work queue as Celery sees it: a Kombu queue that is declared by us and by nobody else."""

from __future__ import annotations

from typing import Any

import kombu

from proj.settings import Settings
from proj.topology import declaring
from proj.topology.names import DEFAULT_EXCHANGE

__all__ = ["WorkQueue"]


class WorkQueue(kombu.Queue):
    """The durable queue of ``settings``, bound to the default exchange only.

    It shows Celery no ``queue_arguments``: from a quorum argument there, and only from there,
    Celery would decide on prefetch and on delays, and guess wrong when a policy owns the queue.
    """

    attrs = (*kombu.Queue.attrs, ("settings", None))

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.settings = settings
        options.update(name=settings.name, routing_key=settings.name, durable=True)
        options.setdefault("exchange", kombu.Exchange(DEFAULT_EXCHANGE, type="direct"))
        super().__init__(**options)

    def as_dict(self, recurse: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - Kombu's signature
        """Return the attributes; in full (``recurse``), as ``inspect active_queues`` shows them."""
        shown: dict[str, Any] = super().as_dict(recurse)
        if recurse:
            # What a remote control command answers is JSON.
            del shown["settings"]
        return shown

    def declare(self, nowait: bool = False, channel: Any = None) -> str:  # noqa: ARG002, FBT001, FBT002 - Kombu's signature
        """Declare the work queue and all that belongs to it; return its name.

        Raises :class:`proj.errors.QueueMismatch` where a queue exists with other properties.
        """
        declaring.declare((channel or self.channel).connection.client, self.settings)
        return str(self.name)

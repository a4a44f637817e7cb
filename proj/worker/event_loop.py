"""What Kombu's event loop is spared of what Celery's pool asks it at every turn."""

from __future__ import annotations

from typing import Any

__all__ = ["spare_removals"]


def spare_removals(hub: Any) -> None:
    """Let ``hub`` (Kombu's) pass over a writer that it does not have, without asking the kernel.

    At each turn the pool removes all its idle pipes, most of which were removed before; each time
    the kernel refuses, and Kombu has an exception to swallow.
    """

    def remove_known_writer(file: Any) -> None:
        if file in hub.writers or not isinstance(file, int):
            # Of the class: the event loop outlives a connection, after which we are here again.
            type(hub).remove_writer(hub, file)

    hub.remove_writer = remove_known_writer

"""The task that packs a parcel, and notes how far it is."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task, signals

from examples.flask_app import parcels


@shared_task(bind=True)
def pack(self: Any, address: str) -> None:
    """Pack the parcel: a dot in the address is one second of work. It may run twice."""
    parcels.note(self.request.id, address, "in work")
    time.sleep(address.count("."))
    if "nowhere" in address.lower():
        raise ValueError(f"no such address: {address}")
    parcels.note(self.request.id, address, "done")


@signals.task_failure.connect
def note_failure(sender: Any, task_id: str, exception: Exception, args: Any, **_: Any) -> None:
    """Note why a parcel lies among the dead letters."""
    with sender.app.flask_app.app_context():
        parcels.note(task_id, args[0], "dead", f"{type(exception).__name__}: {exception}")

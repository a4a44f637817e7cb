"""The task that packs a parcel, and notes how far it is."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task, signals

from examples.django_site.parcels.models import Parcel


@shared_task
def pack(number: int) -> None:
    """Pack the parcel: a dot in the address is one second of work. It may run twice."""
    parcel = Parcel.objects.get(pk=number)
    note(number, "in work")
    time.sleep(parcel.address.count("."))
    if "nowhere" in parcel.address.lower():
        raise ValueError(f"no such address: {parcel.address}")
    note(number, "done")


@signals.task_failure.connect
def note_failure(exception: Exception, args: Any, **_: Any) -> None:
    """Note why a parcel lies among the dead letters."""
    note(args[0], "dead", f"{type(exception).__name__}: {exception}")


def note(number: int, state: str, reason: str = "") -> None:
    """Write what became of the parcel into its row."""
    Parcel.objects.filter(pk=number).update(state=state, reason=reason)

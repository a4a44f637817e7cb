"""The kinds of worker that must keep the same promises."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from proj.settings import Settings

__all__ = ["KINDS", "Kind", "chosen_kind"]


@dataclass(frozen=True)
class Kind:
    """One kind of worker with processes, and what is promised of it alone."""

    name: str
    environment: Mapping[str, str]
    redelivery_seconds: float
    """How long it may take until the message of a killed process is begun by another one."""
    prefetch_follows_pool: bool
    """Whether it takes more messages as it gets more processes; the broker is told once if not."""


HAS_CONSUMER_PROCESSES = "consumer_processes" in {field.name for field in fields(Settings)}

KINDS = {
    "prefork": Kind(
        "prefork",
        {"WORK_QUEUE_CONSUMER_PROCESSES": "0"} if HAS_CONSUMER_PROCESSES else {},
        # Celery's pool looks after its processes every five seconds.
        redelivery_seconds=15,
        prefetch_follows_pool=False,
    ),
}
if HAS_CONSUMER_PROCESSES:
    KINDS["consumer-processes"] = Kind(
        "consumer-processes",
        {"WORK_QUEUE_CONSUMER_PROCESSES": "1"},
        redelivery_seconds=1,
        prefetch_follows_pool=True,
    )


def chosen_kind() -> Kind:
    """Return the kind that the variable TEST_WORKER names: that of every test that names none."""
    name = os.environ.get("TEST_WORKER", "prefork")
    if name not in KINDS:
        raise ValueError(f"TEST_WORKER={name}: expected {' or '.join(KINDS)}")
    return KINDS[name]

"""What ``workqueue status`` warns of, from a snapshot alone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from proj.commands.status.gathering import with_rates
from proj.commands.status.snapshot import QueueState, Snapshot
from proj.commands.status.warning import warnings_of
from proj.pause import Pause

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)

PAUSE = Pause("then", "ada")


def worker(**changed: Any) -> dict[str, Any]:
    """Return what a worker that consumes and is idle answers."""
    return {"consuming": True, "paused": False, "taken": 0, "processes": [], **changed}


def snapshot(**changed: Any) -> Snapshot:
    """Return a snapshot that needs nobody."""
    work = QueueState("q", ready=0, in_work=0, consumers=1)
    found = Snapshot(NOW, "memory://", work, QueueState("d"), QueueState("l", ready=0))
    found.workers = {"w@host": worker()}
    for name, value in changed.items():
        where = found if hasattr(found, name) else work
        setattr(where, name, value)
    return found


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({}, []),
        ({"problem": "refused"}, ["management"]),
        ({"pause": PAUSE, "consumers": 0}, ["paused"]),
        ({"ready": None}, ["no queue"]),
        ({"consumers": 0, "workers": {}}, ["no consumer"]),
        ({"consumers": 2}, ["silent"]),
        ({"workers": {"w@host": worker(consuming=False, paused=True)}}, ["silent"]),
        ({"workers": {"v": worker(consuming=False, paused=True)}, "pause": PAUSE}, ["paused"]),
        ({"dead_letters": QueueState("l", ready=1)}, ["dead letters"]),
        ({"consumers": 3, "workers": {"w": worker(kept=2)}}, ["kept"]),
        ({"consumers": 3, "workers": {"w": worker(kept=1)}}, ["silent", "kept"]),
        ({"most": 10, "ready": 8}, ["nearly full"]),
        ({"most": 10, "ready": 7}, []),
        ({"workers": {"w@host": worker(), "v": worker(consuming=False)}}, ["not consuming"]),
        ({"workers": {"w": worker(processes=[{"id": "x", "attempt": 2}])}}, ["again"]),
    ],
)  # fmt: skip
def test_each_warning_appears_and_disappears(changed: dict[str, Any], kinds: list[str]) -> None:
    """Each kind has its cause, and none appears without it."""
    assert [each["kind"] for each in warnings_of(snapshot(**changed))] == kinds


def test_a_task_that_is_begun_again_is_told_with_its_own_limit() -> None:
    """As its worker tells it; one of an earlier release tells none."""
    known = {"id": "x", "attempt": 2, "attempts_limit": 9}
    unknown = {"id": "y", "attempt": 3}

    told = warnings_of(snapshot(workers={"w": worker(processes=[known, unknown])}))

    assert [each["text"].partition(":")[0] for each in told] == [
        "Task x is at attempt 2 of 9",
        "Task y is at attempt 3",
    ]


def test_rates_are_seen_only_where_every_consumer_told() -> None:
    """In and out follow from what the workers took and how the depth changed."""
    before = snapshot(ready=10, workers={"w": worker(taken=100)})
    now = snapshot(ready=6, workers={"w": worker(taken=120)}, when=NOW + timedelta(seconds=2))
    with_rates(before, now)
    assert (now.work.in_per_second, now.work.out_per_second) == (8.0, 10.0)

    another = snapshot(ready=6, consumers=2, when=NOW + timedelta(seconds=2))
    with_rates(before, another)
    assert (another.work.in_per_second, another.work.out_per_second) == (None, None)

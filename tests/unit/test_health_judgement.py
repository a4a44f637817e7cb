"""What ``workqueue-health`` makes of a worker's file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest

from proj.health import judge, process_started

FACT: dict[str, Any] = {
    "node": "w@host",
    "pid": os.getpid(),
    "process_started": process_started(os.getpid()),
    "turned": 0.0,
    "queue": "task_queue",
    "connected": True,
    "consuming": ["task_queue"],
    "pause": None,
    "stopping": False,
}

PAUSE = {"since": "2026-11-24T10:00:00+00:00", "by": "ada"}


@pytest.mark.parametrize(
    ("changed", "expected", "reason"),
    [
        ({}, (True, True), "consuming task_queue"),
        ({"consuming": [], "pause": PAUSE}, (True, True), f"paused since {PAUSE['since']} by ada"),
        ({"consuming": []}, (True, False), "consuming nothing"),
        ({"connected": False, "consuming": []}, (True, False), "no connection to the broker"),
        ({"stopping": True}, (True, False), "stopping"),
        ({"process_started": "another"}, (False, False), "has ended"),
        ({"turned": -60.0}, (False, False), "has stood still for 60 s"),
    ],
)
def test_the_first_thing_that_is_wrong_is_told(
    changed: dict[str, Any], expected: tuple[bool, bool], reason: str
) -> None:
    """Alive and ready follow from the file, and the reason names what is wrong."""
    fact = {**FACT, **changed}
    fact["turned"] += time.monotonic()

    judged = judge(fact, 20.0)

    assert (judged["alive"], judged["ready"]) == expected
    assert reason in judged["reason"]


def test_it_starts_without_celery() -> None:
    """An orchestrator runs it every few seconds: it loads neither Celery nor Kombu."""
    program = (
        "import proj.health, sys; loaded = {'celery', 'kombu', 'amqp', 'click'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr

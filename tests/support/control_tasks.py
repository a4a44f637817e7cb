"""Tasks that end when the test says so, or that hold up their process; and what signals they send.

They belong to the app of ``settlement_tasks``.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import signals
from celery.exceptions import SoftTimeLimitExceeded

from tests.support.settlement_tasks import app, began

__all__ = ["app"]

SIGNALS = (
    *("celeryd_init", "celeryd_after_setup", "worker_init", "worker_ready"),
    *("worker_before_create_process", "worker_process_init", "worker_process_shutdown"),
    *("worker_shutting_down", "worker_shutdown"),
    *("task_received", "task_prerun", "task_postrun", "task_success", "task_failure"),
    *("task_retry", "task_rejected", "task_unknown", "task_revoked"),
)

LEDGER = Path(os.environ["TEST_LEDGER"])

kept: list[bytearray] = []

app.conf.worker_pool_restarts = True
app.conf.worker_send_task_events = False
if heartbeat := os.environ.get("TEST_HEARTBEAT_SECONDS"):
    app.conf.broker_heartbeat = int(heartbeat)


def note_signal(name: str) -> None:
    """Write down each time that the signal ``name`` is sent, and in which process."""

    def receiver(**_: Any) -> None:
        with (LEDGER / "signals").open("a") as ledger:
            ledger.write(json.dumps([name, os.getpid()]) + "\n")

    getattr(signals, name).connect(receiver, weak=False)


for each in SIGNALS:
    note_signal(each)


@app.task(name="hold")
def hold(name: str) -> None:
    """Run until the test releases ``name``."""
    began(name)
    while not (LEDGER / f"{name}.release").exists():
        time.sleep(0.02)
    began(f"{name}-ended")


@app.task(name="hold_early", acks_late=False)
def hold_early(name: str) -> None:
    """Run until the test releases ``name``, in a task whose message is acknowledged before."""
    hold(name)


@app.task(name="gather")
def gather(results: list[str]) -> list[str]:
    """Return what the tasks of a chord have returned."""
    began("gathered")
    return results


@app.task(name="swallow", soft_time_limit=1, time_limit=2)
def swallow(name: str) -> None:
    """Take no exception for an answer."""
    began(name)
    while True:
        with suppress(BaseException):
            time.sleep(60)


@app.task(name="sleep_in_c", soft_time_limit=1, time_limit=2)
def sleep_in_c(name: str) -> None:
    """Wait in a C function, which lets other threads run."""
    began(name)
    ctypes.CDLL(None).sleep(60)


@app.task(name="compute_in_c", soft_time_limit=1, time_limit=2)
def compute_in_c(name: str) -> None:
    """Compute in C without end: no thread of the process runs, no signal is handled."""
    began(name)
    sum(itertools.repeat(1))


@app.task(name="keep_interpreter")
def keep_interpreter(name: str, seconds: int) -> None:
    """Let no other thread of the process run for ``seconds``."""
    began(name)
    ctypes.PyDLL(None).sleep(seconds)
    began(f"{name}-ended")


@app.task(name="tidy_up", soft_time_limit=1)
def tidy_up(name: str) -> None:
    """Catch the soft limit, and end well."""
    try:
        hold(name)
    except SoftTimeLimitExceeded:
        began(f"{name}-tidied")


@app.task(name="allocate")
def allocate(name: str, megabytes: int) -> None:
    """Once released, keep so much memory, each page of it written to."""
    hold(name)
    kept.extend(bytearray(os.urandom(4096) * 256) for _ in range(megabytes))
    began(f"{name}-kept")


@app.task(name="fork")
def fork(name: str) -> None:
    """Have a part of the work done by a forked process."""
    began(name)
    pid = os.fork()
    if pid == 0:
        began(f"{name}-forked")
        os._exit(0)
    os.waitpid(pid, 0)
    began(f"{name}-ended")


@app.task(name="leave_behind")
def leave_behind(name: str) -> None:
    """Run until released, with a process of its own that outlives it."""
    if os.fork() == 0:
        with (LEDGER / "left").open("a") as ledger:
            ledger.write(f"{os.getpid()}\n")
        time.sleep(120)
        os._exit(0)
    hold(name)

"""The Celery app that the tests start as real worker processes.

BROKER_URL names the broker file, LEDGER a file to which every task appends one line as it ends;
LOOK_SECONDS, if it is there, how often a session looks by itself.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery

from proj.embedded import event_loop, register, session

register()
if "LOOK_SECONDS" in os.environ:
    event_loop.LOOK_SECONDS = session.LOOK_SECONDS = float(os.environ["LOOK_SECONDS"])
app = Celery("embedded_app", broker=os.environ["BROKER_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    result_backend=os.environ.get("RESULT_BACKEND"),
    task_default_queue="task_queue",
)


@app.task(shared=False)
def record(name: str, seconds: float = 0.0) -> str:
    """Work for a while, then write ``name`` and the process into the ledger."""
    time.sleep(seconds)
    line = f"{name} {os.getpid()} {time.time()}\n"
    descriptor = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)
    return name


@app.task(shared=False)
def wait_for(path: str) -> None:
    """Tell that the task runs by making ``path``.started, then work until ``path`` exists."""
    Path(f"{path}.started").write_text(str(os.getpid()))
    while not Path(path).exists():
        time.sleep(0.01)


@app.task(shared=False, ignore_result=False)
def add(left: int, right: int) -> int:
    """Return the sum."""
    return left + right


@app.task(shared=False)
def nothing() -> None:
    """Do nothing."""

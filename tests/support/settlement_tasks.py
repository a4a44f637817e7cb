"""An app whose tasks end in every way that a task can, and write down each time they begin."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from celery import Celery, Task, signals
from celery.exceptions import Ignore, Reject
from kombu import Queue

from proj import plugin
from proj.settings import read
from proj.topology.queue import WorkQueue

app = Celery("settlement_tasks")
app.conf.update(
    broker_url=os.environ.get("CELERY_BROKER_URL"),
    result_backend=os.environ.get("TEST_RESULT_BACKEND"),
    worker_send_task_events=True,
    # A child whose process is lost is told of at once.
    broker_connection_retry_on_startup=True,
    task_store_errors_even_if_ignored=True,
    work_queue_plain_message_task="note",
)
if timeout := os.environ.get("TEST_CONSUMER_TIMEOUT_MILLISECONDS"):
    app.conf.task_queues = [
        WorkQueue(read({}, os.environ), consumer_arguments={"x-consumer-timeout": int(timeout)})
    ]
if own := os.environ.get("TEST_OWN_QUEUE"):
    app.conf.task_queues = [Queue(own, expires=60)]
if consumer := os.environ.get("TEST_CONSUMER"):
    app.conf.worker_consumer = consumer
plugin.install(app)


def raise_in_receiver(**_: Any) -> None:
    """Raise, as a receiver of a signal may that nobody has tested."""
    raise RuntimeError("a receiver is broken")


if os.environ.get("TEST_RAISING_RECEIVERS"):
    for name in ("received", "prerun", "postrun", "success", "failure", "retry", "revoked"):
        getattr(signals, f"task_{name}").connect(raise_in_receiver)


def began(name: str) -> None:
    """Write down that a run of ``name`` begins in this process."""
    with (Path(os.environ["TEST_LEDGER"]) / "began").open("a") as ledger:
        ledger.write(f"{name} {os.getpid()} {time.time()}\n")


@app.task(name="note")
def note(body: str) -> str:
    """Write ``body`` down and succeed."""
    began(body)
    return body


@app.task(name="sleep")
def sleep(name: str, seconds: float) -> None:
    """Take ``seconds``, and write down that it ended."""
    began(name)
    time.sleep(seconds)
    began(f"{name}-ended")


@app.task(name="fail")
def fail(name: str, text: str = "it went wrong") -> None:
    """Raise an exception with a long traceback and message."""
    began(name)
    raise ValueError(text)


@app.task(name="fail_forgotten", dead_letter_failures=False)
def fail_forgotten(name: str) -> None:
    """Raise, in a task whose failures are not kept."""
    began(name)
    raise ValueError("not worth a letter")


@app.task(name="fail_early", acks_late=False)
def fail_early(name: str) -> None:
    """Raise, in a task whose message is acknowledged as it begins."""
    began(name)
    raise ValueError("acknowledged before")


@app.task(name="kill_process")
def kill_process(name: str) -> None:
    """End this process by SIGKILL, as the kernel does when memory runs out."""
    began(name)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="kill_process_twice", attempts_limit=2)
def kill_process_twice(name: str) -> None:
    """End this process by SIGKILL, in a task with a limit of its own."""
    began(name)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="segfault")
def segfault(name: str) -> None:
    """End this process as a segmentation fault does."""
    began(name)
    os.kill(os.getpid(), signal.SIGSEGV)


@app.task(name="exit_process")
def exit_process(name: str) -> None:
    """Leave by ``sys.exit``."""
    began(name)
    sys.exit(3)


@app.task(name="out_of_memory")
def out_of_memory(name: str) -> None:
    """Raise MemoryError, which ends a stock worker."""
    began(name)
    raise MemoryError("no room")


@app.task(name="kill_worker")
def kill_worker(name: str) -> None:
    """End the worker and its whole process group by SIGKILL, as a lost machine does."""
    began(name)
    os.killpg(os.getpgid(os.getpid()), signal.SIGKILL)
    time.sleep(60)


@app.task(name="ask_again")
def ask_again(name: str) -> None:
    """Ask for another try, always."""
    began(name)
    raise Reject("not now", requeue=True)


@app.task(name="ask_again_once", bind=True)
def ask_again_once(self: Any, name: str) -> None:
    """Ask for another try, unless Celery's own header tells that this is it."""
    began(name)
    if not self.request.delivery_info["redelivered"]:
        raise Reject("not now", requeue=True)


@app.task(name="wait_for_eta", bind=True)
def wait_for_eta(self: Any, name: str) -> None:
    """Tell of the ETA that the caller asked for."""
    began(name if datetime.fromisoformat(self.request.eta) <= datetime.now(timezone.utc) else "?")


@app.task(name="refuse")
def refuse(name: str) -> None:
    """Reject the message for good."""
    began(name)
    raise Reject("never", requeue=False)


@app.task(name="ignore")
def ignore(name: str) -> None:
    """Ask that nothing be stored."""
    began(name)
    raise Ignore


@app.task(name="retry", bind=True, max_retries=2, default_retry_delay=0)
def retry(self: Task, name: str) -> None:
    """Fail, and be retried twice before that is final."""
    began(name)
    raise self.retry(exc=ValueError("again"), countdown=0)


@app.task(name="too_long", time_limit=1)
def too_long(name: str) -> None:
    """Run into the hard time limit."""
    began(name)
    time.sleep(60)


@app.task(name="too_long_softly", soft_time_limit=1)
def too_long_softly(name: str) -> None:
    """Run into the soft time limit and not catch it."""
    began(name)
    time.sleep(60)


@app.task(name="two_arguments")
def two_arguments(name: str, number: int) -> Any:
    """Take exactly two arguments."""
    began(name)
    return number


@app.task(name="one_a_minute", rate_limit="1/m")
def one_a_minute(name: str) -> None:
    """Run once a minute at most."""
    began(name)


@app.task(name="idle", ignore_result=True)
def idle() -> None:
    """Do nothing, as fast as possible."""

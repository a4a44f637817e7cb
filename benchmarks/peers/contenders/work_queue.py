"""Celery with our plug-in: confirmed, mandatory, with a deadline; late acknowledgement, prefork."""

from __future__ import annotations

import time

from celery import Celery

from benchmarks.peers.recording import QUEUE, QUEUE_TYPE, URL, record
from proj import plugin

app = Celery("work_queue", broker=URL)
app.conf.update(work_queue_name=QUEUE, work_queue_type=QUEUE_TYPE, task_ignore_result=True)
plugin.install(app)


@app.task(name="work")
def work(sent: float) -> None:
    """Note that the task ran."""
    record(sent)


def publish(count: int) -> None:
    """Publish one by one."""
    for _ in range(count):
        work.delay(time.time())


def publish_many(count: int) -> None:
    """Publish as one batch, each message confirmed."""
    from proj import publish_many  # noqa: PLC0415 - the other benchmarks do not need it

    publish_many(work.s(time.time()) for _ in range(count))

"""Stock Celery: confirmed, late acknowledgement, prefetch one, prefork."""

from __future__ import annotations

import time

from celery import Celery

from benchmarks.peers.recording import QUEUE, QUEUE_TYPE, URL, record

app = Celery("stock", broker=URL)
app.conf.update(
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_default_queue_type=QUEUE_TYPE,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
)


@app.task(name="work")
def work(sent: float) -> None:
    """Note that the task ran."""
    record(sent)


def publish(count: int) -> None:
    """Publish one by one, each confirmed."""
    for _ in range(count):
        work.delay(time.time())

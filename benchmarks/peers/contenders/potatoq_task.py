"""potatoq: confirmed, mandatory, late acknowledgement, prefetch one; quorum queues only."""

from __future__ import annotations

import time

from potatoq import Potatoq

from benchmarks.peers.recording import QUEUE, URL, record

app = Potatoq("peers", broker=URL)
app.conf.task_default_queue = QUEUE


@app.task(name="work", ignore_result=True)
def work(sent: float) -> None:
    """Note that the task ran."""
    record(sent)


def publish(count: int) -> None:
    """Publish one by one, each confirmed."""
    for _ in range(count):
        work.delay(time.time())

"""taskiq-aio-pika: confirmed, acknowledged when executed, prefetch one."""

from __future__ import annotations

import asyncio
import atexit
import time
from functools import cache

from taskiq_aio_pika import AioPikaBroker, Queue, QueueType

from benchmarks.peers.recording import QUEUE, QUEUE_TYPE, URL, record

broker = AioPikaBroker(
    URL,
    qos=1,
    task_queues=[Queue(name=QUEUE, type=QueueType(QUEUE_TYPE))],
    dead_letter_queue=Queue(name=f"{QUEUE}.dead", type=QueueType.CLASSIC),
)


@broker.task(task_name="work")
async def work(sent: float) -> None:
    """Note that the task ran."""
    record(sent)


def publish(count: int) -> None:
    """Publish one by one, each confirmed."""
    _loop().run_until_complete(_publish(count))


async def _publish(count: int) -> None:
    for _ in range(count):
        await work.kiq(time.time())


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(broker.startup())
    atexit.register(lambda: loop.run_until_complete(broker.shutdown()))
    return loop

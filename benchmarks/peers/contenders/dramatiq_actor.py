"""Dramatiq: confirmed, two processes of one thread, prefetch one (an environment variable)."""

from __future__ import annotations

import time

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.peers.recording import QUEUE, URL, record

broker = RabbitmqBroker(url=URL, confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=QUEUE, max_retries=0)
def work(sent: float) -> None:
    """Note that the task ran."""
    record(sent)


def publish(count: int) -> None:
    """Publish one by one, each confirmed."""
    for _ in range(count):
        work.send(time.time())

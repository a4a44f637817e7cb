"""The events of tasks, from which Flower lives."""

from __future__ import annotations

import signal
from collections import Counter
from itertools import takewhile

import pika
from celery import Celery

from tests.integration.conftest import WorkerFactory
from tests.support.broker import Broker

TASKS = 500


def test_events_share_messages_and_none_is_missing(broker: Broker, workers: WorkerFactory) -> None:
    """A worker sends fewer messages for its events than it runs tasks, and all of the events.

    The last one too, of a task that ends while the worker stops.
    """
    worker = workers("red", broker.url)
    seen: Counter[str] = Counter()
    app = Celery(broker=broker.url)
    with app.connection_for_read() as connection, broker.connect() as publishing:
        receiver = app.events.Receiver(
            connection, handlers={"*": lambda event: seen.update([event["type"]])}
        )
        arriving = receiver.itercapture(timeout=20, wakeup=False)
        next(arriving)  # a heartbeat: the queue of events is there
        channel = publishing.channel()
        copies = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(copies, "celeryev", "#")
        for _ in range(TASKS):
            channel.basic_publish("", "task_queue", b"quick", pika.BasicProperties(delivery_mode=2))
        list(takewhile(lambda _: seen["task-succeeded"] < TASKS, arriving))
        channel.basic_publish("", "task_queue", b"The last.")
        worker.wait_for_log("The last")
        worker.signal(signal.SIGTERM)
        list(takewhile(lambda _: seen["task-succeeded"] <= TASKS, arriving))
        assert worker.wait_end() == 0
        messages = channel.queue_declare(copies, passive=True).method.message_count

    assert 0 < messages < TASKS
    assert seen["task-received"] == seen["task-started"] == seen["task-succeeded"] == TASKS + 1

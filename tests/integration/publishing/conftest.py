"""Apps and workers on the broker, each test on a work queue of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kombu.pools
import pika
import pytest
from celery import Celery

from tests.support.publishing_app import MODULE, make_app
from tests.support.rabbitmq import RabbitMQ
from tests.support.worker import Worker


@pytest.fixture
def url(node: RabbitMQ) -> str:
    """Return the URL of a broker that runs."""
    return node.url("/")


@pytest.fixture
def make(node: RabbitMQ) -> Iterator[Callable[..., Celery]]:
    """Make apps by ``make(url, **configuration)``; their queues end with the test."""
    queues: list[str] = []

    def make_and_note(url: str | list[str], **configuration: Any) -> Celery:
        made = make_app(url, **configuration)
        queues.append(made.amqp.default_queue.name)
        return made

    yield make_and_note
    kombu.pools.reset()
    with pika.BlockingConnection(pika.URLParameters(node.url("/"))) as connection:
        channel = connection.channel()
        for queue in queues:
            channel.queue_delete(queue)
            channel.queue_delete(f"{queue}.dead_letters")


@pytest.fixture
def app(url: str, make: Callable[..., Celery]) -> Celery:
    """Return an app on a running broker, with a work queue of its own."""
    return make(url)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Return the file to which the task ``note`` adds a line: value and time."""
    return tmp_path / "notes"


@pytest.fixture
def worker(tmp_path: Path, notes: Path) -> Iterator[Callable[..., Worker]]:
    """Start workers by ``worker(app, pool=..., SETTING=...)``; all end with the test."""
    started: list[Worker] = []

    def start(app: Celery, pool: str = "prefork", **environment: str) -> Worker:
        running = Worker(
            f"worker-{len(started)}-{app.amqp.default_queue.name}",
            app.conf.broker_url,
            tmp_path,
            app=MODULE,
            pool=pool,
            environment={
                "TEST_QUEUE": app.amqp.default_queue.name,
                "NOTES": str(notes),
                **environment,
            },
        )
        started.append(running)
        running.start()
        return running

    yield start
    for each in started:
        each.end()

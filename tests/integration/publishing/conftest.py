"""A broker, and apps on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu.pools
import pytest
from celery import Celery

from tests.support.publishing_app import MODULE, make_app
from tests.support.rabbitmq_node import RabbitMQNode
from tests.support.worker import Worker


@pytest.fixture(scope="session")
def shared_node() -> Iterator[RabbitMQNode | None]:
    """Start a private node; None where TEST_BROKER_URL names a broker that is not ours to fault."""
    if "TEST_BROKER_URL" in os.environ:
        yield None
    else:
        with RabbitMQNode() as running:
            yield running


@pytest.fixture
def node(shared_node: RabbitMQNode | None) -> RabbitMQNode:
    """Return the private node, for a test that faults it and repairs it."""
    if shared_node is None:
        pytest.skip("the broker of TEST_BROKER_URL is not ours to fault")
    return shared_node


@pytest.fixture
def url(shared_node: RabbitMQNode | None) -> str:
    """Return the URL of a broker that runs."""
    return os.environ["TEST_BROKER_URL"] if shared_node is None else shared_node.url("/")


@pytest.fixture
def make() -> Iterator[Callable[..., Celery]]:
    """Make apps by ``make(url, **configuration)``; their connections end with the test."""
    yield make_app
    kombu.pools.reset()


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

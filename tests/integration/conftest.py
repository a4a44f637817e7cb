"""A private RabbitMQ for the session, and a virtual host of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.broker import Broker
from tests.support.embedded_broker import EmbeddedBroker
from tests.support.rabbitmq import RabbitMQ, new_rabbitmq
from tests.support.worker import Worker

AnyBroker: TypeAlias = Broker | EmbeddedBroker


@pytest.fixture(scope="session")
def node() -> Iterator[RabbitMQ]:
    """One private RabbitMQ for all tests that leave it running."""
    with new_rabbitmq() as running:
        yield running


@pytest.fixture
def broker(node: RabbitMQ) -> Iterator[Broker]:
    """An empty virtual host, as ownership ``arguments`` finds it."""
    yield from _virtual_host(node, "classic")


@pytest.fixture(params=["embedded", "rabbitmq"])
def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> AnyBroker:
    """Each broker that keeps the promise, empty: the same scenario must hold on both."""
    if request.param == "embedded":
        return EmbeddedBroker(tmp_path / "task_queue.db")
    broker: Broker = request.getfixturevalue("broker")
    return broker


@pytest.fixture
def quorum_by_default(node: RabbitMQ) -> Iterator[Broker]:
    """An empty virtual host whose default queue type is quorum, as for ownership ``policy``."""
    yield from _virtual_host(node, "quorum")


@pytest.fixture
def own_node() -> Iterator[RabbitMQ]:
    """A RabbitMQ that the test may kill and start again."""
    with new_rabbitmq() as running:
        yield running


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[WorkerFactory]:
    """Start workers by ``workers(name, broker_url, ...)``; all end with the test."""
    factory = WorkerFactory(tmp_path)
    yield factory
    for worker in factory.started:
        worker.end()


class WorkerFactory:
    """Starts workers, waits until each consumes, and remembers them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Worker] = []

    def __call__(self, name: str, broker_url: str, **options: object) -> Worker:
        """Return the worker ``name``, consuming; ``options`` are those of :class:`Worker`."""
        worker = Worker(name, broker_url, self.folder, **options)  # type: ignore[arg-type]
        self.started.append(worker)
        worker.start()
        return worker.wait_ready()


def _virtual_host(node: RabbitMQ, default_queue_type: str) -> Iterator[Broker]:
    name = f"test-{secrets.token_hex(4)}"
    node.add_virtual_host(name, default_queue_type=default_queue_type)
    yield Broker(node.url(name), name, node.management)
    node.management.delete_virtual_host(name)

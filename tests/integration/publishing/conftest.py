"""A broker, and apps on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import kombu.pools
import pytest
from celery import Celery

from tests.support.publishing_app import make_app
from tests.support.rabbitmq_node import RabbitMQNode


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

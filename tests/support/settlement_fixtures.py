"""Fixtures of the settlement tests: the broker under test, and a queue of each type on it.

The broker is a private node of this machine's RabbitMQ, or the one that ``TEST_BROKER_URL`` names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.rabbitmq_node import RabbitMQNode
from tests.support.settlement_scene import Scene

__all__ = ["broker_url", "scene"]


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """Give the URL of the broker under test."""
    if given := os.environ.get("TEST_BROKER_URL"):
        yield given
        return
    with RabbitMQNode() as node:
        yield node.url()


@pytest.fixture(params=["classic", "quorum"])
def scene(broker_url: str, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Set a scene on a queue of each type."""
    with Scene(broker_url, request.param) as here:
        yield here

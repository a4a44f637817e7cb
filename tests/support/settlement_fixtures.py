"""Fixtures of the settlement tests: the broker under test, and a queue of each type on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rabbitmq import new_rabbitmq
from tests.support.settlement_scene import Scene

__all__ = ["any_scene", "broker_url", "scene"]


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """Give the URL of the RabbitMQ under test."""
    with new_rabbitmq() as running:
        yield running.url()


@pytest.fixture(params=["classic", "quorum"])
def scene(broker_url: str, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Set a scene on a queue of each type."""
    with Scene(broker_url, request.param) as here:
        yield here


@pytest.fixture(params=["classic", "quorum", "embedded"])
def any_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Set a scene wherever the promise is the same: queues of each type, and a broker file."""
    url = None if request.param == "embedded" else request.getfixturevalue("broker_url")
    with Scene(url, request.param) as here:
        yield here

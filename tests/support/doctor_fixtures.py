"""A virtual host for the doctor's live checks, its management API, and no workers to wait for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proj.doctor.live import workers
from tests.support.doctor_scene import virtual_host
from tests.support.rabbitmq import RabbitMQ


@pytest.fixture(scope="module")
def url(node: RabbitMQ) -> Iterator[str]:
    """Give the URL of one virtual host for all tests of this file."""
    with virtual_host(node) as own:
        yield own


@pytest.fixture
def api(node: RabbitMQ) -> str:
    """Give the URL of the management API, without an account."""
    return f"http://127.0.0.1:{node.management_port}"


@pytest.fixture
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no answers: no worker runs here."""
    monkeypatch.setattr(workers, "LISTENING_SECONDS", 0.1)
    monkeypatch.setattr(workers, "ANSWER_SECONDS", 0.1)

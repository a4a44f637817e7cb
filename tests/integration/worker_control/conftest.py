"""One worker of each kind for all tests of a file, on a queue of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.control_scene import ControlScene
from tests.support.rabbitmq import RabbitMQ
from tests.support.worker_kinds import KINDS, Kind


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker that there is."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture(scope="module")
def scene(node: RabbitMQ, kind: Kind) -> Iterator[ControlScene]:
    """Set the scene for the tests of one file."""
    with ControlScene(node.url(), kind) as here:
        yield here


@pytest.fixture(autouse=True)
def released(scene: ControlScene) -> Iterator[None]:
    """Let whatever a test has begun end with it: the next one needs the worker's processes."""
    yield
    scene.release(*scene.begun())

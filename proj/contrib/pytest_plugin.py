"""Fixtures for the tests of a project whose Celery app has the plug-in; pytest loads them itself.

Nothing else is imported before a test asks for one: ``pytest -p no:celery_workqueue`` does without.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from celery import Celery

    from proj.contrib.testing.work_queue import WorkQueue

__all__ = ["work_queue", "work_queue_app"]

USED = pytest.StashKey[Any]()
"""The work queue of a test, until its dead letters have been looked at."""


@pytest.fixture
def work_queue_app() -> Celery:
    """The Celery app under test: Celery's current app; override this fixture to name another."""
    from celery.app import app_or_default

    return app_or_default()


@pytest.fixture
def work_queue(
    work_queue_app: Celery,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[WorkQueue]:
    """The app's work queue on an embedded broker of the test's own; see ``docs/testing.md``."""
    from proj.contrib.testing.embedded_app import on_embedded_broker
    from proj.contrib.testing.work_queue import WorkQueue

    path = tmp_path_factory.mktemp("work_queue") / "task_queue.db"
    with on_embedded_broker(work_queue_app, path):
        queue = request.node.stash[USED] = WorkQueue(work_queue_app)
        yield queue
        if request.node.stash.get(USED, None):  # the test itself has failed
            queue.verify()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Look at the dead letters within the test: one of them fails it, and not its teardown."""
    result = yield
    if queue := item.stash.get(USED, None):
        del item.stash[USED]
        queue.verify()
    return result

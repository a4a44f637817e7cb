"""Puts a Celery app on a broker file for a while, whatever its configuration says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["on_embedded_broker"]

BROKER_VARIABLES = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
"""The environment goes before the app's configuration, and child processes have it too."""

SETTINGS = {
    "task_always_eager": False,
    "worker_pool": "solo",
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "worker_state_db": None,
}


@contextmanager
def on_embedded_broker(app: Celery, path: Path) -> Iterator[None]:
    """Let ``app`` publish to and consume from the broker file ``path``, and nothing else.

    Results go to the memory of this process, if the app keeps any. Raises ``pytest.UsageError`` for
    an app without the plug-in.
    """
    if not getattr(app, "work_queue_supplied", False):
        raise pytest.UsageError(
            f"The app {app.main!r} is no work queue: call proj.plugin.install(app) where it is "
            "made, or let the fixture work_queue_app return the app under test."
        )
    with pytest.MonkeyPatch.context() as patch:
        if app.conf.result_backend:
            patch.setenv("CELERY_RESULT_BACKEND", "cache+memory://")
        for variable in BROKER_VARIABLES:
            patch.setenv(variable, f"sqlite:///{path}")
        for name, value in {**SETTINGS, "include": app.conf.include}.items():
            patch.setitem(app.conf.changes, name, value)
        _connect_anew(app)
        try:
            yield
        finally:
            _connect_anew(app)


def _connect_anew(app: Celery) -> None:
    """Close what ``app`` has open, so that it connects to what its configuration says now."""
    if app._pool is not None:  # noqa: SLF001 - as Celery's own _after_fork()
        app._pool.force_close_all()  # noqa: SLF001 - as above
    app._pool = app.amqp._producer_pool = app._backend_cache = None  # noqa: SLF001 - as above
    vars(app._local).pop("backend", None)  # noqa: SLF001 - where Celery keeps it for each thread

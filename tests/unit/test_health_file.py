"""The file that a worker keeps for ``workqueue-health``."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proj.settings import Settings
from proj.worker import last_resort
from proj.worker.health import Health
from proj.worker.last_resort import LastResort


def consumer() -> Any:
    """Return a worker that has just started."""
    return SimpleNamespace(
        hostname="w@host",
        connection=None,
        work_queue_settings=Settings(),
        pausing=SimpleNamespace(lasting=None),
        stopping=SimpleNamespace(is_stopping=False),
    )


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In /tmp anybody may make the folder first, with a link that leads our writing elsewhere."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    Health(consumer()).write()
    written = list(tmp_path.rglob("w@host.json"))
    user = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: user)

    with caplog.at_level(logging.WARNING):
        Health(consumer()).write()

    assert len(written) == 1
    assert "belongs to another user" in caplog.text
    assert list(tmp_path.rglob("w@host.json")) == written


def test_a_worker_that_leaves_without_its_main_thread_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``os._exit`` calls nothing that is registered for the end of a process."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    worker = consumer()
    worker.pool = None
    worker.health = Health(worker)
    worker.health.write()
    assert worker.health.file.exists()
    left = threading.Event()
    monkeypatch.setattr(last_resort.os, "_exit", lambda _: left.set())
    stopping: Any = SimpleNamespace(consumer=worker, deadline=-1.0, has_given_back=True)

    LastResort(stopping, extra_seconds=0.0).start()

    assert left.wait(10)
    assert not worker.health.file.exists()

"""Pools that cannot keep the promise are refused before the first message."""

from __future__ import annotations

import pytest

from proj.errors import SettingsError
from proj.worker import pool


@pytest.mark.parametrize("environment", ["gevent", "eventlet"])
def test_pools_of_greenlets_are_refused_by_name(
    environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the pools that work."""
    monkeypatch.setattr(pool, "detect_environment", lambda: environment)

    with pytest.raises(SettingsError, match=f"prefork, threads or solo, found '{environment}'"):
        pool.refuse_greenlets()


def test_pools_of_processes_and_threads_are_not() -> None:
    """Nothing is patched in this process."""
    pool.refuse_greenlets()

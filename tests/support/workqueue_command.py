"""``celery -A proj workqueue ...`` and ``workqueue-health`` as child processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.worker import ROOT

__all__ = ["command", "environment_of", "health", "run", "run_json"]


def command(*arguments: str) -> list[str]:
    """Return the command ``workqueue`` with ``arguments``."""
    return [sys.executable, "-m", "celery", "-A", "proj", "workqueue", *arguments]


def environment_of(broker_url: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process of the app on the broker at ``broker_url``."""
    return {**os.environ, "CELERY_BROKER_URL": broker_url, **(environment or {})}


def run(
    broker_url: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    typed: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command on the broker at ``broker_url``, whatever its exit code."""
    return _run(command(*arguments), environment_of(broker_url, environment), typed)


def run_json(
    broker_url: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run the command with ``--json`` and return its object."""
    done = run(broker_url, *arguments, "--json", environment=environment)
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def health(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``workqueue-health`` on the workers that keep their files in ``folder``."""
    program = [sys.executable, "-m", "proj.health", "--folder", str(folder), *arguments]
    return _run(program, dict(os.environ))


def _run(
    program: list[str], environment: dict[str, str], typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program,
        env=environment,
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

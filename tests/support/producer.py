"""Runs ``python -m proj.producer`` as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.support.worker import ROOT

__all__ = ["run_producer"]


def run_producer(
    *arguments: str, broker_url: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Return exit code and output of the producer against ``broker_url``."""
    return subprocess.run(
        [sys.executable, "-m", "proj.producer", *arguments],
        env={**os.environ, "CELERY_BROKER_URL": broker_url, **(environment or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

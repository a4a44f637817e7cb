"""Starts producers that publish until they are told to stop."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import start_group
from tests.support.worker import ROOT

__all__ = ["start_producer"]


def start_producer(
    name: str, url: str, environment: Mapping[str, str], folder: Path, *, seed: str
) -> subprocess.Popen[bytes]:
    """Start the producer ``name``; SIGTERM makes it finish its message and end with code 0."""
    with (folder / f"{name}.log").open("ab") as output:
        return start_group(
            [sys.executable, "-m", "tests.support.ledger_producer", name, seed],
            environment={**os.environ, **environment, "CELERY_BROKER_URL": url},
            folder=ROOT,
            output=output,
        )

"""The image of this clone, built once in a session of tests."""

from __future__ import annotations

import fcntl
import functools
import subprocess
import tempfile
from pathlib import Path

from tests.support.worker import ROOT

__all__ = ["build_image"]

TAG = "celery-workqueue:tests"


@functools.cache
def build_image() -> str:
    """Build the image and return its tag; the engine's cache makes a second build cheap."""
    # The host's network: pip inside the build reaches what pip on this machine reaches.
    command = ["docker", "build", "--network=host", "--tag", TAG, str(ROOT)]
    with (Path(tempfile.gettempdir()) / "workqueue-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process of the tests builds, the cache serves others
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return TAG

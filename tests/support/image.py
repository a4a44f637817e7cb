"""The image of this clone, built once in a session of tests."""

from __future__ import annotations

import functools
import subprocess

from tests.support.worker import ROOT

__all__ = ["build_image"]

TAG = "celery-workqueue:tests"


@functools.cache
def build_image() -> str:
    """Build the image and return its tag; the engine's cache makes a second build cheap."""
    # The host's network: pip inside the build reaches what pip on this machine reaches.
    done = subprocess.run(
        ["docker", "build", "--network=host", "--tag", TAG, str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return TAG

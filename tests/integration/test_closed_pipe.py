"""A reader such as ``head`` that has had enough."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.worker import ROOT
from tests.support.workqueue_command import command, environment_of

pytestmark = pytest.mark.own_machine

HEALTH = [sys.executable, "-m", "proj.health", "--json"]


@pytest.mark.parametrize(
    "program",
    [
        command("status"),
        command("doctor", "--static"),
        command("dead-letters", "--help"),
        command("health", "--json"),
        HEALTH,
    ],
    ids=lambda program: " ".join(program[2:]),
)
def test_nothing_is_said_to_a_reader_that_is_gone(program: list[str], tmp_path: Path) -> None:
    """No traceback, and no line of Python's own as the process ends."""
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        program,
        env=environment_of(f"sqlite:///{tmp_path / 'task_queue.db'}"),
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (1, "")

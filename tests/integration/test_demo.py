"""``make demo``: what a newcomer runs first."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.processes import end_group, start_group
from tests.support.waiting import wait_until
from tests.support.worker import ROOT

pytestmark = pytest.mark.own_machine

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MOMENTS = ("Starting a private broker", "enqueues 10", "Received")


class Demo:
    """The demo as a child process, with a folder of its own for all that it leaves behind."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder = folder / "temporary"
        self.folder.mkdir()
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = start_group(
                [sys.executable, "-m", "examples.demo", "--broker", broker],
                environment={**os.environ, "TMPDIR": str(self.folder)},
                folder=ROOT,
                output=output,
            )

    def log(self) -> str:
        """Return what the demo has printed."""
        return self.output.read_text()

    def processes(self) -> list[str]:
        """Return what of the demo still runs: processes that know its temporary folder."""
        mark = str(self.folder).encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            # A process may end while it is looked at, and another user's cannot be.
            with suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if mark in command or mark in (process / "environ").read_bytes():
                    found.append(f"{process.name}: {command!r}")
        return found


@pytest.fixture(params=["embedded", "rabbitmq"])
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Demo]:
    """A running demo on each broker that it knows."""
    running = Demo(tmp_path, request.param)
    yield running
    end_group(running.process)


def test_all_ten_messages_run_although_a_worker_is_killed(demo: Demo) -> None:
    """It kills a worker in the middle of a message, all ten run, and it says what to try next."""
    code = demo.process.wait(90)

    log = demo.log()
    assert code == 0, log
    assert "killed with SIGKILL in the middle of 'Message " in log
    assert " (killed), then " in log
    assert "All 10 messages ran to their end." in log
    assert "What to try next" in log
    assert not list(demo.folder.iterdir())
    assert not demo.processes()


@pytest.mark.parametrize(
    ("demo", "number", "moment"),
    [
        *(("embedded", number, moment) for number in SIGNALS for moment in MOMENTS),
        # Each moment once: starting RabbitMQ takes long, and it is ended alike for both signals.
        *(("rabbitmq", *each) for each in zip((*SIGNALS, signal.SIGINT), MOMENTS, strict=True)),
    ],
    indirect=["demo"],
)
def test_ctrl_c_leaves_no_process_and_no_folder(
    demo: Demo, moment: str, number: signal.Signals
) -> None:
    """Interrupted at any moment, it ends what it started and removes what it wrote."""
    wait_until(demo.log, lambda log: moment in log, what=f"the demo says {moment!r}")
    demo.process.send_signal(number)
    code = demo.process.wait(30)

    assert code == 130, demo.log()
    assert "Traceback" not in demo.log()
    assert not list(demo.folder.iterdir())
    assert not demo.processes()

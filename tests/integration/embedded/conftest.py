"""Broker files, connections and real worker processes for the tests of the embedded broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from proj.embedded import register

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]

register()


def until(
    condition: Callable[[], Any], *, seconds: float = 60.0, state: Callable[[], Any] = lambda: ""
) -> Any:
    """Return what the condition becomes once it is true; fail with the last state seen."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not so after {seconds} s; last seen: {state()!r}")
        time.sleep(0.005)
    return result


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Any]:
    """Return the way to wait in these tests."""
    return until


@pytest.fixture
def broker_file(tmp_path: Path) -> Path:
    """Return a path at which no file exists yet."""
    return tmp_path / "task_queue.db"


@pytest.fixture
def url(broker_file: Path) -> str:
    """Return the broker URL of ``broker_file``."""
    return f"sqlite:///{broker_file}"


@pytest.fixture
def connect(url: str) -> Iterator[Callable[..., Connection]]:
    """Make connections to the broker file, all closed in the end."""
    connections = []

    def connection(**options: Any) -> Connection:
        connections.append(Connection(url, **options))
        return connections[-1]

    yield connection
    for each in connections:
        each.release()


@pytest.fixture
def channel(connect: Callable[..., Connection]) -> Any:
    """Open a channel of a connection of its own."""
    return connect().channel()


class Processes:
    """Real processes of the test app, each ended by its number when the test ends."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.environment = {
            **os.environ,
            "BROKER_URL": url,
            "LEDGER": str(self.ledger),
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(HERE)]),
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start Python with the arguments; its output goes to a file that ``output`` reads."""
        log = self.folder / f"process-{len(self.started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env={**self.environment, **environment},
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def worker(self, *arguments: str, name: str = "w") -> subprocess.Popen[bytes]:
        """Start a worker and return once it is ready."""
        command = [
            "-m",
            "celery",
            "-A",
            "embedded_app",
            "worker",
            "-l",
            "INFO",
            "-n",
            f"{name}@test",
        ]
        process = self.start(*command, *arguments)
        until(
            lambda: " ready." in self.output(process) or process.poll() is not None,
            state=lambda: self.output(process),
        )
        assert process.poll() is None, self.output(process)
        return process

    def output(self, process: subprocess.Popen[bytes]) -> str:
        """Return what the process has printed so far."""
        number = self.started.index(process)
        return (self.folder / f"process-{number}.log").read_text(errors="replace")

    def done(self) -> list[str]:
        """Return the names in the ledger, in the order in which the tasks ended."""
        if not self.ledger.exists():
            return []
        return [line.split()[0] for line in self.ledger.read_text().splitlines()]

    def end(self) -> None:
        """Kill what still runs, with the children of its own process group."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def processes(url: str, tmp_path: Path) -> Iterator[Processes]:
    """Start real processes that use the broker file."""
    started = Processes(url, tmp_path)
    yield started
    started.end()


@pytest.fixture
def app(url: str, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import the test app into this process, as a producer."""
    monkeypatch.setenv("BROKER_URL", url)
    monkeypatch.setenv("LEDGER", str(processes.ledger))
    monkeypatch.syspath_prepend(str(HERE))
    sys.modules.pop("embedded_app", None)
    import embedded_app  # noqa: PLC0415  it reads the environment

    yield embedded_app
    embedded_app.app.close()
    embedded_app.app.pool.force_close_all()

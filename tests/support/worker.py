"""A ``celery -A proj worker`` as a child process, and what its log says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.support.processes import end_group, start_group
from tests.support.waiting import wait_until
from tests.support.worker_kinds import Kind, chosen_kind

__all__ = ["ROOT", "Worker"]

ROOT = Path(__file__).resolve().parents[2]
"""The clone's root, from which every command is run."""


class Worker:
    """One worker of the app ``app``, run from ``folder``; a context manager that ends it.

    ``kind`` is that of a worker with processes; None: the one that TEST_WORKER names. ``inside`` is
    what goes before the command, such as that of a network namespace.
    """

    def __init__(
        self,
        name: str,
        broker_url: str,
        folder: Path,
        *,
        app: str = "proj",
        concurrency: int = 1,
        pool: str = "prefork",
        kind: Kind | None = None,
        environment: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
        run_from: Path = ROOT,
        python: Path | str = sys.executable,
        inside: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.node = f"{name}@localhost"
        self.log_file = folder / f"{name}.log"
        self.run_from = run_from
        self.environment = {
            **os.environ,
            "CELERY_BROKER_URL": broker_url,
            "PYTHONUNBUFFERED": "1",
            # A killed worker cannot remove what it has there.
            "TMPDIR": str(folder),
            **((kind or chosen_kind()).environment if pool == "prefork" else {}),
            **(environment or {}),
        }
        self.command = [
            *(*inside, str(python), "-m", "celery", "-A", app, "worker"),
            *("-n", self.node, "-l", "INFO", "-P", pool, "-c", str(concurrency)),
            *options,
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    def start(self) -> None:
        """Start the process; ``wait_ready`` tells when it consumes."""
        with self.log_file.open("ab") as output:
            self.process = start_group(
                self.command, environment=self.environment, folder=self.run_from, output=output
            )

    def wait_ready(self, timeout_seconds: float = 30.0) -> Worker:
        """Return once the worker says that it is ready."""
        self.wait_for_log(r"\bready\.", timeout_seconds=timeout_seconds)
        return self

    def wait_for_log(self, pattern: str, timeout_seconds: float = 30.0) -> re.Match[str]:
        """Return the first match of ``pattern`` in the log; raises with the log without one."""
        wait_until(
            lambda: re.search(pattern, self.log()) or self._has_ended(),
            what=f"{self.name} logs {pattern!r}",
            timeout_seconds=timeout_seconds,
        )
        found = re.search(pattern, self.log())
        assert found, f"{self.name} ended without {pattern!r}:\n{self.log()}"
        return found

    def wait_end(self, timeout_seconds: float = 30.0) -> int:
        """Return the exit code once the main process has ended."""
        assert self.process is not None, "the worker was not started"
        return self.process.wait(timeout_seconds)

    def log(self) -> str:
        """Return all that the worker has printed."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def done(self) -> list[str]:
        """Return the bodies of the messages whose tasks this worker began and ended, in order."""
        return [body for _, body in sorted(self._bodies("done").items())]

    def received(self) -> list[str]:
        """Return the bodies of the messages whose tasks this worker began, in order."""
        return [body for _, body in sorted(self._bodies("received").items())]

    def pool_pids(self) -> list[int]:
        """Return the process ids of the worker's pool processes."""
        assert self.process is not None, "the worker was not started"
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def signal(self, number: signal.Signals) -> None:
        """Send ``number`` to the main process only."""
        assert self.process is not None, "the worker was not started"
        self.process.send_signal(number)

    def kill(self) -> None:
        """End the main process and its pool by SIGKILL, as a lost machine would."""
        assert self.process is not None, "the worker was not started"
        assert self.process.poll() is None, f"{self.name} had ended before it was killed"
        end_group(self.process)
        assert self.process.returncode == -signal.SIGKILL

    def end(self) -> None:
        """End whatever of the worker still runs."""
        if self.process is not None:
            end_group(self.process)

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def _bodies(self, state: str) -> dict[int, str]:
        """Return position in the log -> body, from the lines ``[x] Received`` and ``[x] Done``."""
        bodies: dict[int, str] = {}
        received: dict[str, str] = {}
        for line in re.finditer(
            r"/(?P<process>[^\]\s]+)\].*?\[x\] (?:(?P<done>Done)|Received (?P<body>.*))$",
            self.log(),
            re.MULTILINE,
        ):
            process = line["process"]
            if line["body"] is not None:
                received[process] = line["body"][1:-1]
            if (state == "done") == bool(line["done"]) and process in received:
                bodies[line.start()] = received[process]
        return bodies

"""A scene for workers that are looked into, controlled and harmed while their tasks run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from celery import Celery

from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from tests.support.worker_kinds import Kind

__all__ = ["ControlScene", "Run"]

APP = "tests.support.control_tasks"


@dataclass(frozen=True)
class Run:
    """One run of a task: in which process it began, and when (seconds since the epoch)."""

    name: str
    pid: int
    time: float


class ControlScene(Scene):
    """A scene whose workers are of ``kind`` and run the tasks of ``control_tasks``."""

    def __init__(self, url: str, kind: Kind, queue_type: str = "quorum") -> None:
        super().__init__(url, queue_type)
        self.kind = kind

    def worker(self, name: str = "w", **options: Any) -> Worker:
        """Start a worker; it ends with the scene."""
        return super().worker(name, app=APP, kind=self.kind, **options)

    def ask(self, worker: Worker, command: str, **arguments: Any) -> Any:
        """Send a remote control command to ``worker``, and return its answer."""
        with Celery(broker=self.url, set_as_current=False) as app:
            answers = app.control.broadcast(
                command,
                arguments=arguments,
                destination=[worker.node],
                reply=True,
                timeout=20,
                limit=1,
            )
        assert answers, f"{worker.name} does not answer {command!r}:\n{worker.log()}"
        return answers[0][worker.node]

    def release(self, *names: str) -> None:
        """Let the tasks that hold on under these names end."""
        for name in names:
            (self.folder / f"{name}.release").touch()

    def runs(self, names: Iterable[str] | None = None) -> list[Run]:
        """Return the runs that began, of the tasks with these names only, in order."""
        file = self.folder / "began"
        lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        runs = [Run(name, int(pid), float(time)) for name, pid, time in lines]
        return [run for run in runs if names is None or run.name in set(names)]

    def wait_run(self, name: str, times: int = 1, timeout_seconds: float = 30.0) -> Run:
        """Return the run of ``name`` with this number, once it has begun."""
        self.wait_begun(name, times, timeout_seconds)
        return self.runs([name])[times - 1]

    def signals(self) -> Counter[tuple[str, int]]:
        """Return how often each signal was sent in which process."""
        file = self.folder / "signals"
        lines = file.read_text().splitlines() if file.exists() else []
        return Counter((name, pid) for name, pid in map(json.loads, lines))

    def wait_pool(self, worker: Worker, size: int) -> set[int]:
        """Return the ids of the processes of ``worker`` once there are ``size``."""
        return wait_until(
            lambda: set(worker.pool_pids()),
            lambda pids: len(pids) == size,
            what=f"{worker.name} has {size} processes",
        )

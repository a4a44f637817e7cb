"""Two hundred SIGKILLs over producers and workers of the embedded broker lose nothing.

CHAOS_SEED repeats a run, CHAOS_KILLS makes it longer.
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SUPPORT = Path(__file__).parents[1] / "integration" / "embedded" / "conftest.py"
SEED = int(os.environ.get("CHAOS_SEED", "1"))
KILLS = int(os.environ.get("CHAOS_KILLS", "200"))
WORKERS = 3


def load_support() -> ModuleType:
    """Load the processes and the way to wait that the integration tests use."""
    specification = importlib.util.spec_from_file_location("embedded_support", SUPPORT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["embedded_support"] = module
    specification.loader.exec_module(module)
    return module


support = load_support()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Any]:
    """Start real processes on one broker file."""
    started = support.Processes(f"sqlite:///{tmp_path / 'task_queue.db'}", tmp_path)
    yield started
    started.end()


def children(process_id: int) -> list[int]:
    """Return the living children of a process."""
    try:
        text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split() if alive(int(child))]


def alive(process_id: int) -> bool:
    """Say whether the process runs, and is not the mere entry of a dead one."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start_worker(processes: Any, number: int) -> Any:
    """Start a worker without waiting for it: the kills go on meanwhile."""
    return processes.start(
        *("-m", "celery", "-A", "embedded_app", "worker", "-l", "WARNING", "-c2"),
        *("-n", f"w{number}@test"),
    )


class Chaos:
    """Kills a random process, proves that it died, and starts another in its place."""

    def __init__(self, processes: Any) -> None:
        self.processes = processes
        self.random = random.Random(SEED)  # noqa: S311  repeatable on purpose
        self.producers = processes.start("-m", "producers")
        self.workers = [start_worker(processes, number) for number in range(WORKERS)]
        self.killed: Counter[str] = Counter()

    def replace_ended_workers(self) -> None:
        """Start a worker for each that has ended by itself, as a supervisor does.

        Celery ends a worker whose pool child is killed before it is up: "Could not start worker
        processes".
        """
        for number, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.workers[number] = start_worker(self.processes, number)

    def kill_one(self) -> None:
        """Kill a producer, a pool child or a whole worker, and prove it."""
        self.replace_ended_workers()
        kind = self.random.choices(["producer", "child", "main"], [5, 3, 2])[0]
        number = self.random.randrange(WORKERS)
        worker = self.workers[number]
        candidates = {
            "producer": children(self.producers.pid),
            "child": children(worker.pid),
            "main": [worker.pid] if children(worker.pid) else [],
        }[kind]
        if not candidates:
            return
        victim = self.random.choice(candidates)
        os.kill(victim, signal.SIGKILL)
        if kind == "main":
            assert worker.wait() == -signal.SIGKILL
            self.workers[number] = start_worker(self.processes, number)
        support.until(lambda: not alive(victim), state=lambda: (kind, victim))
        self.killed[kind] += 1


@pytest.mark.timeout(400 + 2 * KILLS)
def test_every_accepted_task_ran_or_waits_after_two_hundred_kills(
    processes: Any, tmp_path: Path, record_property: Any
) -> None:
    """The ledger of accepted tasks and that of finished ones agree; the file is sound."""
    record_property("seed", SEED)
    print(f"CHAOS_SEED={SEED}")  # noqa: T201  how to repeat a failure
    chaos = Chaos(processes)
    support.until(processes.done, seconds=30)
    while chaos.killed.total() < KILLS:
        chaos.kill_one()
        time.sleep(chaos.random.uniform(0, 0.3))

    Path(f"{processes.ledger}-stop").touch()
    assert chaos.producers.wait(timeout=30) == 0, processes.output(chaos.producers)
    accepted = set(Path(f"{processes.ledger}-accepted").read_text().split())

    def all_ran() -> bool:
        chaos.replace_ended_workers()
        return accepted <= set(processes.done())

    support.until(
        all_ran,
        seconds=300,
        state=lambda: (SEED, len(accepted), sorted(accepted - set(processes.done()))[:10]),
    )

    assert chaos.killed.total() == KILLS
    assert all(chaos.killed[kind] for kind in ("producer", "child", "main")), chaos.killed
    assert len(accepted) > KILLS
    file = sqlite3.connect(tmp_path / "task_queue.db")
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()

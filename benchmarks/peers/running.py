"""One contender on a queue of its own: publish, start its processes, watch them, end them."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from types import TracebackType

import pika
import psutil

from benchmarks.peers.contenders import Contender
from benchmarks.peers.recording import recorded
from tests.support.processes import end_group, start_group

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 300.0


class Running:
    """A fresh queue and a fresh file of what ran; a context manager that ends every process."""

    def __init__(self, contender: Contender, url: str, queue_type: str) -> None:
        self.contender = contender
        self.url = url
        self.folder = tempfile.TemporaryDirectory(prefix="workqueue-benchmark-")
        self.file = Path(self.folder.name) / "ran"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "BENCHMARK_URL": url,
            "BENCHMARK_QUEUE": f"peers-{secrets.token_hex(4)}",
            "BENCHMARK_QUEUE_TYPE": queue_type,
            "BENCHMARK_FILE": str(self.file),
            # Dramatiq reads its prefetch from here only.
            "dramatiq_queue_prefetch": "1",
        }
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            end_group(worker, grace_seconds=10.0)
        self.folder.cleanup()
        # What still waits would burden the broker of the next one.
        with closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            connection.channel().queue_delete(self.environment["BENCHMARK_QUEUE"])

    def publish(self, how: str, count: int) -> float:
        """Publish ``count`` messages (and 20 before); returns the seconds."""
        command = [sys.executable, "-m", "benchmarks.peers.publishing"]
        arguments = [self.contender.module, how, str(count)]
        return float(self._output([*command, *arguments]))

    def start(self, processes: int) -> None:
        """Start the worker, or workers, that give so many processes."""
        with (Path(self.folder.name) / "log").open("ab") as log:
            for command in self.contender.worker(processes):
                self.workers.append(
                    start_group(command, environment=self.environment, folder=ROOT, output=log)
                )

    def wait_ran(self, count: int) -> float:
        """Return the moment at which ``count`` tasks had run."""
        self._wait(lambda: recorded(self.file) >= count, f"{count} tasks")
        return time.perf_counter()

    def memory_bytes(self) -> int:
        """Return the proportional set size of all its processes: shared pages are shared out."""
        parents = [psutil.Process(worker.pid) for worker in self.workers]
        children = [child for each in parents for child in each.children(recursive=True)]
        return sum(process.memory_full_info().pss for process in [*parents, *children])

    def processor_ms(self, command: str) -> float:
        """Return the milliseconds of a processor that ``python -m command`` takes."""
        words = command.format(module=f"benchmarks.peers.contenders.{self.contender.module}")
        before = getrusage(RUSAGE_CHILDREN)
        self._output([sys.executable, "-m", *words.split()])
        after = getrusage(RUSAGE_CHILDREN)
        return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > until:
                log = (Path(self.folder.name) / "log").read_text(errors="replace")[-2000:]
                sys.exit(f"{self.contender.name}: no {what}, {recorded(self.file)} ran\n{log}")
            time.sleep(0.002)

    def _output(self, command: list[str]) -> str:
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

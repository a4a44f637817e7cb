"""The contenders: each at the same promise - confirmed, late acknowledgement, prefetch one."""

from __future__ import annotations

import sys
from dataclasses import dataclass

__all__ = ["CONTENDERS", "Contender"]

QUEUE_TYPES = ("classic", "quorum")


@dataclass(frozen=True)
class Contender:
    """How one of them is started. The names in braces are filled in by :meth:`worker`."""

    name: str
    module: str
    command: str
    processes_each: bool = False
    """One command starts one process, so it is started several times."""
    queue_types: tuple[str, ...] = QUEUE_TYPES
    measures: tuple[str, ...] | None = None
    """The measures it takes part in; None: all."""
    kind: str = "prefork"
    """The kind of worker, where it is ours: one of ``tests.support.worker_kinds``."""

    def worker(self, processes: int) -> list[list[str]]:
        """Return the commands that start ``processes`` that work."""
        module = f"benchmarks.peers.contenders.{self.module}"
        words = [word.format(module=module, processes=processes) for word in self.command.split()]
        return [[sys.executable, "-m", *words]] * (processes if self.processes_each else 1)


CELERY = "celery -A {module} worker -c {processes} -l ERROR"

CONTENDERS = (
    Contender("pika", "plain_pika", "{module} consume", processes_each=True),
    Contender("work queue", "work_queue", CELERY),
    Contender(
        "work queue, consumer processes",
        "consumer_processes",
        CELERY,
        # It publishes as the work queue does.
        measures=("drain", "latency", "start", "growth"),
        kind="consumer-processes",
    ),
    Contender("celery", "stock_celery", CELERY),
    Contender(
        "dramatiq", "dramatiq_actor", "dramatiq {module} --processes {processes} --threads 1"
    ),
    Contender(
        "potatoq",
        "potatoq_task",
        "potatoq -A {module} worker -c {processes} -l ERROR",
        queue_types=("quorum",),
    ),
    Contender(
        "taskiq",
        "taskiq_task",
        "taskiq worker {module}:broker --workers {processes} --max-async-tasks 1"
        " --ack-type when_executed --log-level ERROR",
    ),
)

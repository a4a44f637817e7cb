"""What is measured: each takes a contender on a broker, and returns figures by their names."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypeAlias

from benchmarks.peers.contenders import Contender
from benchmarks.peers.recording import seconds
from benchmarks.peers.running import Running

__all__ = ["MEASURES", "Figures", "Measure"]

Figures: TypeAlias = dict[str, float]
Measure: TypeAlias = Callable[[Contender, str, str, int], Figures]

PROCESSES = 2
LOADED = 500
"""Messages a second at which one publisher, the broker and two processes keep up on two cores."""
LATENCY_SECONDS = 5
MOST_DRAINED = 5000
BATCHED = ("pika", "work queue")


def publish_one(contender: Contender, url: str, queue_type: str, count: int) -> Figures:
    """Return messages a second, one by one, each confirmed."""
    with Running(contender, url, queue_type) as run:
        return {"publish one, messages/s": count / run.publish("one", count)}


def publish_many(contender: Contender, url: str, queue_type: str, count: int) -> Figures:
    """Return messages a second in a batch; for who has none, one by one. pika's is unconfirmed."""
    with Running(contender, url, queue_type) as run:
        how, count = ("many", count * 10) if contender.name in BATCHED else ("one", count)
        return {"publish many, messages/s": count / run.publish(how, count)}


def drain(contender: Contender, url: str, queue_type: str, count: int) -> Figures:
    """Return tasks a second of two processes, from the tenth part of the queue to its end."""
    return _drain(contender, url, queue_type, count, PROCESSES)


def latency(contender: Contender, url: str, queue_type: str, count: int) -> Figures:
    """Return the milliseconds from publish to start: idle, and at some half of the load."""
    figures: Figures = {}
    for name, a_second in (("idle", 20), ("loaded", LOADED)):
        with Running(contender, url, queue_type) as run:
            run.publish("one", 1)
            run.start(PROCESSES)
            run.wait_ran(21)
            messages = min(count, a_second * LATENCY_SECONDS)
            run.publish(str(a_second), messages)
            run.wait_ran(21 + 20 + messages)
            waits = seconds(run.file)[-messages:]
        figures[f"latency {name}, ms"] = statistics.median(waits) * 1000
    return figures


def start(contender: Contender, url: str, queue_type: str, _count: int) -> Figures:
    """Return the seconds from the start of the worker until its first task runs."""
    with Running(contender, url, queue_type) as run:
        run.publish("one", 1)
        began = time.perf_counter()
        run.start(PROCESSES)
        return {"start, s": run.wait_ran(1) - began}


def command(contender: Contender, url: str, queue_type: str, _count: int) -> Figures:
    """Return the processor time of ``celery report``: what every command of Celery's costs."""
    if not contender.command.startswith("celery"):
        return {}
    with Running(contender, url, queue_type) as run:
        taken = [run.processor_ms("celery -A {module} report") for _ in range(3)]
    return {"celery report, processor ms": min(taken)}


def growth(contender: Contender, url: str, queue_type: str, count: int) -> Figures:
    """Return tasks a second with more and more messages waiting, then with more processes.

    Of many messages the first ``MOST_DRAINED`` are drained, while the others wait behind them.
    """
    figures: Figures = {}
    for waiting in (count // 3, count * 10 // 3, count * 100 // 3):
        rate = _drain(contender, url, queue_type, waiting, PROCESSES)["drain, tasks/s"]
        figures[f"drain of {waiting:,} waiting, tasks/s"] = rate
    for processes in (1, 2, 4, 8):
        rate = _drain(contender, url, queue_type, count, processes)["drain, tasks/s"]
        figures[f"drain with {processes} processes, tasks/s"] = rate
    return figures


MEASURES: dict[str, Measure] = {
    "publish-one": publish_one,
    "publish-many": publish_many,
    "drain": drain,
    "latency": latency,
    "start": start,
    "command": command,
    "growth": growth,
}


def _drain(
    contender: Contender, url: str, queue_type: str, waiting: int, processes: int
) -> Figures:
    with Running(contender, url, queue_type) as run:
        run.publish("many" if contender.name in BATCHED else "one", waiting)
        run.start(processes)
        count = min(waiting, MOST_DRAINED)
        # The first tenth warms every process up.
        began = run.wait_ran(20 + count // 10)
        ended = run.wait_ran(20 + count)
        return {
            "drain, tasks/s": (count - count // 10) / (ended - began),
            "memory, MB": run.memory_bytes() / 1e6,
        }

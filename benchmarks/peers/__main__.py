"""Compare the work queue with its peers on RabbitMQ: ``python -m benchmarks.peers``.

Every round runs every contender once, in turn, on the same private broker; then the median of the
rounds is told beside the spread, and each figure as a ratio to plain pika and to stock Celery.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.contenders import CONTENDERS, QUEUE_TYPES
from benchmarks.peers.measures import MEASURES
from tests.support.rabbitmq import new_rabbitmq
from tests.support.worker_kinds import KINDS

PACKAGES = ("celery", "kombu", "amqp", "pika", "dramatiq", "potatoq", "taskiq", "taskiq-aio-pika")
TAKING_PART = [contender for contender in CONTENDERS if contender.kind in KINDS]
NAMES = [contender.name for contender in TAKING_PART]
Results = dict[str, dict[str, list[float]]]
"""Figure -> contender -> one number for each round."""


def main() -> None:
    """Run the rounds and print what they gave."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "measures", nargs="*", help=f"of {', '.join(MEASURES)}; else all but growth"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3000, help="messages of one measurement")
    parser.add_argument("--queue-type", choices=QUEUE_TYPES, default="quorum")
    parser.add_argument("--contender", action="append", choices=NAMES, help="else every one")
    parser.add_argument("--charts", type=Path, help="write an SVG for each figure in this folder")
    options = parser.parse_args()
    names = options.measures or [name for name in MEASURES if name != "growth"]
    if unknown := set(names) - set(MEASURES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(MEASURES)}")
    results: Results = defaultdict(lambda: defaultdict(list))
    with new_rabbitmq() as broker:
        broker.add_virtual_host("bench", default_queue_type=options.queue_type)
        release = broker.control("version").strip()
        for number in range(options.rounds):
            for name in names:
                for contender in TAKING_PART:
                    if options.queue_type not in contender.queue_types:
                        continue
                    if contender.measures and name not in contender.measures:
                        continue
                    if options.contender and contender.name not in options.contender:
                        continue
                    measured = MEASURES[name](
                        contender, broker.url("bench"), options.queue_type, options.count
                    )
                    for figure, value in measured.items():
                        results[figure][contender.name].append(value)
                    told = ", ".join(f"{figure} {value:,.1f}" for figure, value in measured.items())
                    print(f"round {number + 1}: {contender.name}: {told}", flush=True)
    setting = describe(release, options.queue_type, options.rounds)
    tell(setting, results)
    if options.charts:
        from benchmarks.peers.charts import draw  # noqa: PLC0415 - needs matplotlib

        draw(setting, results, options.charts, f"{options.queue_type}-{release.rpartition('.')[0]}")


def describe(release: str, queue_type: str, rounds: int) -> str:
    """Return the machine, the versions and the queue type in one line."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, RabbitMQ {release}, {queue_type} queue, "
        f"{rounds} rounds; {versions}"
    )


def tell(setting: str, results: Results) -> None:
    """Print a table for each figure: median, lowest and highest, ratio to pika and to Celery."""
    print(setting)
    for figure, by_contender in results.items():
        print(f"\n{figure:38}{'median':>10}{'low':>10}{'high':>10}{'/ pika':>9}{'/ celery':>10}")
        for name, values in by_contender.items():
            told = f"  {name:36}{statistics.median(values):>10,.1f}{min(values):>10,.1f}"
            told += f"{max(values):>10,.1f}"
            for other, width in (("pika", 9), ("celery", 10)):
                ratio = paired_ratio(values, by_contender.get(other, []))
                told += f"{ratio:>{width}.2f}" if ratio else " " * width
            print(told)


def paired_ratio(values: list[float], others: list[float]) -> float | None:
    """Return the median of the rounds' ratios: what slowed a round down slowed both."""
    if not others:
        return None
    return statistics.median(value / other for value, other in zip(values, others, strict=True))


if __name__ == "__main__":
    main()

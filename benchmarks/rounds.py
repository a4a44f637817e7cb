"""Runs contenders in turn, round after round, and prints their ratios with the spread."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

__all__ = ["draw_charts", "measure", "print_machine", "print_ratios"]

Figures = dict[str, list[float]]


def measure(contenders: Mapping[str, Callable[[], float]], rounds: int) -> Figures:
    """Return the figure of each contender in each round; each round begins with another one.

    The machine's noise then meets all of them, and a ratio is taken within one round.
    """
    figures: Figures = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            figures[name].append(contenders[name]())
        told = "  ".join(f"{name} {values[-1]:,.0f}" for name, values in figures.items())
        print(f"round {number + 1}: {told}", flush=True)
    return figures


def print_ratios(figures: Figures, pairs: Sequence[tuple[str, str]], unit: str) -> None:
    """Print each contender's median, and each ratio: median, and from the least to the greatest."""
    print()
    for name, values in figures.items():
        print(f"{name:42} {statistics.median(values):12,.0f} {unit}")
    print()
    for ours, theirs in pairs:
        ratios = [a / b for a, b in zip(figures[ours], figures[theirs], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{ours} / {theirs}: {statistics.median(ratios):.2f} ({spread})")


def print_machine(packages: Sequence[str]) -> None:
    """Print what was measured on: processors, load, Python, the versions of the packages."""
    model = "unknown processor"
    with Path("/proc/cpuinfo").open() as lines:
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), model)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{os.cpu_count()} cores ({model}), load {load}, {platform.platform()}")
    versions = [f"{package} {metadata.version(package)}" for package in packages]
    print(f"Python {platform.python_version()}, {', '.join(versions)}")


def draw_charts(charts: Path | None, figures: Mapping[str, Figures], name: str) -> None:
    """Draw each figure in the folder ``charts``, if there is one."""
    if charts is None:
        return
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.peers.charts import draw  # noqa: PLC0415 - needs matplotlib

    made = f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores ({platform.machine()})"
    draw(f"{made}, Python {platform.python_version()}", dict(figures), charts, name)

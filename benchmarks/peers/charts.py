"""One SVG for each figure: a bar for each contender, its spread over the rounds as a line.

What is measured at several sizes is one SVG with a line for each contender.
"""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

__all__ = ["draw"]

OUR_NAMES = ("work queue", "publish_many", "apply_async", "embedded")
OURS, OTHERS = "#1f6f8b", "#b8c4cc"
SIZED = re.compile(r"(drain (?:of|with)) ([\d,]+)(.*)")
"""A figure at one of several sizes: messages that wait, or processes."""

Figures = dict[str, dict[str, list[float]]]
"""Figure -> contender -> one number for each round."""


def draw(setting: str, figures: Figures, folder: Path, name: str) -> None:
    """Write ``<figure>-<name>.svg`` for each figure, and a ``.json`` with all the numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    # The same identifiers each time: a chart that did not change stays the same file.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "work queue", "font.size": 9})
    sized: dict[str, dict[int, dict[str, list[float]]]] = {}
    for figure, by_contender in figures.items():
        if found := SIZED.fullmatch(figure):
            before, size, after = found.groups()
            sized.setdefault(before + after, {})[int(size.replace(",", ""))] = by_contender
        else:
            _save(setting, _bars(by_contender), folder, figure, name)
    for figure, by_size in sized.items():
        _save(setting, _lines(by_size), folder, figure, name)
    first = _file(next(iter(figures)), name)
    told = json.dumps({"setting": setting, "figures": figures}, indent=1)
    (folder / f"{first}.json").write_text(told + "\n")


def _bars(by_contender: dict[str, list[float]]) -> plt.Axes:
    contenders = list(by_contender)[::-1]
    rounds = [by_contender[each] for each in contenders]
    medians = [statistics.median(each) for each in rounds]
    spread = [
        [median - min(each) for median, each in zip(medians, rounds, strict=True)],
        [max(each) - median for median, each in zip(medians, rounds, strict=True)],
    ]
    height = 0.4 * len(contenders) + 1.1
    _, axes = plt.subplots(figsize=(6.4, height), layout="constrained")
    colours = [OURS if each.startswith(OUR_NAMES) else OTHERS for each in contenders]
    bars = axes.barh(contenders, medians, xerr=spread, color=colours, ecolor="#444444")
    axes.bar_label(bars, [f"{each:,.{2 if each < 10 else 0}f}" for each in medians], padding=8)
    axes.margins(x=0.15)
    return axes


def _lines(by_size: dict[int, dict[str, list[float]]]) -> plt.Axes:
    _, axes = plt.subplots(figsize=(6.4, 3.0), layout="constrained")
    sizes = sorted(by_size)
    for contender in by_size[sizes[0]]:
        medians = [statistics.median(by_size[size][contender]) for size in sizes]
        colour = OURS if contender.startswith(OUR_NAMES) else OTHERS
        axes.plot([f"{size:,}" for size in sizes], medians, "o-", color=colour)
        axes.annotate(contender, (len(sizes) - 1, medians[-1]), (8, -3), textcoords="offset points")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.2)
    return axes


def _save(setting: str, axes: plt.Axes, folder: Path, figure: str, name: str) -> None:
    axes.set_title(f"{figure} ({name})", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(setting.split(";", maxsplit=1)[0], fontsize=7, color="#666666")
    plt.savefig(folder / f"{_file(figure, name)}.svg", metadata={"Date": None})
    plt.close()


def _file(figure: str, name: str) -> str:
    return f"{figure.split(', ', maxsplit=1)[0].replace(' ', '-')}-{name}"

"""One SVG for each figure: a bar for each contender, its spread over the rounds as a line."""

from __future__ import annotations

import statistics
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

__all__ = ["draw"]

OURS, OTHERS = "#1f6f8b", "#b8c4cc"


def draw(
    setting: str, results: dict[str, dict[str, list[float]]], folder: Path, queue_type: str
) -> None:
    """Write ``<figure>-<queue type>.svg`` for each figure."""
    # The same identifiers each time: a chart that did not change stays the same file.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "work queue", "font.size": 9})
    for figure, by_contender in results.items():
        names = list(by_contender)[::-1]
        medians = [statistics.median(by_contender[name]) for name in names]
        spread = [
            [median - min(by_contender[name]) for name, median in zip(names, medians, strict=True)],
            [max(by_contender[name]) - median for name, median in zip(names, medians, strict=True)],
        ]
        drawing, axes = plt.subplots(figsize=(6.4, 0.4 * len(names) + 1.1), layout="constrained")
        colours = [OURS if name.startswith("work queue") else OTHERS for name in names]
        bars = axes.barh(names, medians, xerr=spread, color=colours, ecolor="#444444")
        axes.bar_label(bars, [f"{median:,.1f}" for median in medians], padding=8)
        axes.set_title(f"{figure} ({queue_type} queue)", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.15)
        axes.set_xlabel(setting.split(";", maxsplit=1)[0], fontsize=7, color="#666666")
        name = figure.split(",")[0].replace(" ", "-")
        drawing.savefig(folder / f"{name}-{queue_type}.svg", metadata={"Date": None})
        plt.close(drawing)

"""A snapshot as text for a terminal, as one line, and as the documented JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from proj.commands.status.snapshot import QueueState, Snapshot
from proj.commands.status.warning import warnings_of
from proj.commands.text import age, duration, known, safe, table

__all__ = ["as_json", "as_line", "as_text"]

BARS = "▁▂▃▄▅▆▇█"


def as_json(found: Snapshot) -> dict[str, Any]:
    """Return the documented keys."""
    return {
        "when": found.when.isoformat(),
        "broker": found.broker,
        "paused": asdict(found.pause) if found.pause else None,
        "work": asdict(found.work),
        "delayed": asdict(found.delayed),
        "dead_letters": asdict(found.dead_letters),
        "workers": found.workers,
        "warnings": warnings_of(found),
    }


def as_line(found: Snapshot) -> str:
    """Return the snapshot in one line."""
    work, letters = found.work, found.dead_letters
    told = {
        "ready": known(work.ready),
        "in work": known(work.in_work),
        "delayed": known(found.delayed.ready),
        "dead": known(letters.ready),
        "in/s": _rate(work.in_per_second),
        "out/s": _rate(work.out_per_second),
        "workers": len(found.workers),
    }
    facts = "  ".join(f"{name} {value}" for name, value in told.items())
    kinds = ", ".join(dict.fromkeys(each["kind"] for each in warnings_of(found)))
    return f"{found.when.astimezone():%H:%M:%S}  {facts}" + (f"  ! {kinds}" if kinds else "")


def as_text(found: Snapshot, history: Sequence[Snapshot] = ()) -> str:
    """Return the snapshot in lines; ``history`` draws a graph of depth and rates below."""
    lines = [f"{found.work.name} on {found.broker} at {found.when.astimezone():%H:%M:%S}", ""]
    head = ("QUEUE", "READY", "IN WORK", "OLDEST", "CONSUMERS", "IN/S", "OUT/S")
    delayed = (found.delayed.name, known(found.delayed.ready), *("-" * 5))
    lines += table([head, _queue_row(found.work), delayed, _queue_row(found.dead_letters)])
    lines += ["", *table([("WORKER", "PROCESS", "SINCE", "TRY", "TASK"), *_worker_rows(found)])]
    if not found.workers:
        lines += ["no worker answers"]
    if len(history) > 1:
        lines += ["", *_graphs(history)]
    if warnings := warnings_of(found):
        lines += ["", *(f"! {safe(each['text'], 400)}" for each in warnings)]
    return "\n".join(lines)


def _queue_row(queue: QueueState) -> tuple[str, ...]:
    oldest = "-" if queue.ready == 0 else "?"
    if queue.oldest_seconds is not None:
        oldest = duration(queue.oldest_seconds)
    counts = (known(each) for each in (queue.ready, queue.in_work))
    rates = (_rate(each) for each in (queue.in_per_second, queue.out_per_second))
    return queue.name, *counts, oldest, known(queue.consumers), *rates


def _worker_rows(found: Snapshot) -> Iterator[tuple[str, ...]]:
    for node, told in found.workers.items():
        state = "paused" if told["paused"] else "idle" if told["consuming"] else "not consuming"
        for number, process in enumerate(told["processes"]):
            since = process["since"]
            yield (
                "" if number else safe(node, 60),
                known(process["pid"]),
                age(datetime.fromisoformat(since)) if since else "-",
                "-" if process["attempt"] is None else str(process["attempt"]),
                safe(f"{process['task']} {process['id']}", 120) if process["task"] else state,
            )


def _graphs(history: Sequence[Snapshot]) -> Iterator[str]:
    graphs: dict[str, list[float]] = {
        "ready": [each.work.ready or 0 for each in history],
        "in/s": [each.work.in_per_second or 0 for each in history],
        "out/s": [each.work.out_per_second or 0 for each in history],
    }
    for name, values in graphs.items():
        most = max(values)
        bars = (BARS[round(each / most * (len(BARS) - 1))] if most else BARS[0] for each in values)
        yield f"{name:<6}{''.join(bars)}  at most {most:,.0f}"


def _rate(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}"

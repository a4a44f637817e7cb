"""``workqueue status``: once, or again and again with ``--watch``."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click
from celery import Celery

from proj.commands.answering import Answer, command
from proj.commands.status.gathering import gather
from proj.commands.status.showing import as_json, as_line, as_text
from proj.commands.status.snapshot import Snapshot
from proj.errors import BrokerSilent

__all__ = ["status"]

SAMPLE_SECONDS = 1.0
"""Between the two samples from which rates are seen."""

HISTORY = 60

Draw = Callable[[deque[Snapshot]], Any]

SECONDS = click.FloatRange(0, min_open=True)


@command("status --watch --interval 5")
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=SECONDS,
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks of --watch.",
)
def status(app: Celery, *, watch: bool, interval: float) -> Answer:
    """Show what waits, what runs where and since when, and what needs a person.

    What nobody tells is shown as "?". Exit code 1 where something needs a person, else 0.
    """
    found = gather(app)
    if watch:
        _watch(app, found, interval)
    if found.work.in_per_second is None and found.all_answered:
        time.sleep(SAMPLE_SECONDS)
        found = gather(app, found)
    shown = as_json(found)
    return Answer(shown, as_text(found), bool(shown["warnings"]))


def _watch(app: Celery, found: Snapshot, interval: float) -> None:
    """Draw one snapshot after the other; ends the command at Ctrl-C."""
    context = click.get_current_context()
    history: deque[Snapshot] = deque([found], maxlen=HISTORY)
    try:
        with _drawing(as_object=context.params["as_json"]) as draw:
            while True:
                draw(history)
                history.append(_next(app, history[-1], interval))
    except KeyboardInterrupt:
        context.exit(0)


def _next(app: Celery, found: Snapshot, interval: float) -> Snapshot:
    """Return the next snapshot, after however many looks at a broker that is away."""
    while True:
        time.sleep(interval)
        try:
            return gather(app, found)
        except BrokerSilent as error:
            click.echo(str(error), err=True)


@contextmanager
def _drawing(*, as_object: bool) -> Iterator[Draw]:
    """Give what draws the newest: in place on a terminal, else a line or an object for each."""
    if sys.stdout.isatty() and not as_object:
        with suppress(ImportError):
            from rich.live import Live  # noqa: PLC0415 - an extra: celery-workqueue[terminal]
            from rich.text import Text  # noqa: PLC0415 - as above

            with Live(auto_refresh=False) as live:
                yield lambda history: live.update(Text(as_text(history[-1], history)), refresh=True)
            return
    one = (lambda found: json.dumps(as_json(found))) if as_object else as_line
    yield lambda history: click.echo(one(history[-1]))

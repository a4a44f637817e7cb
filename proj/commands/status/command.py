"""``workqueue status``: once, or again and again with ``--watch``."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from proj.commands.options import json_option, show
from proj.commands.status.gathering import gather
from proj.commands.status.showing import as_json as as_object
from proj.commands.status.showing import as_line, as_text
from proj.commands.status.snapshot import Snapshot
from proj.commands.status.warning import warnings_of
from proj.configuration import work_queue_settings
from proj.errors import BrokerSilent

__all__ = ["status"]

SAMPLE_SECONDS = 1.0
"""Between the two samples from which rates are seen."""

HISTORY = 60

Draw = Callable[[Snapshot, list[dict[str, str]], deque[Snapshot]], None]


@click.command(epilog="Example: celery -A proj workqueue status --watch --interval 5")
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks of --watch.",
)
@json_option
@click.pass_context
def status(context: click.Context, /, watch: bool, interval: float, as_json: bool) -> None:  # noqa: FBT001 - click's flags
    """Show what waits, what runs where and since when, and what needs a person.

    What nobody tells is shown as "?". Exit code 1 where something needs a person, else 0.
    """
    app = context.obj.app
    limit = work_queue_settings(app).attempts_limit
    found = gather(app)
    if not watch:
        if found.work.in_per_second is None and found.all_answered:
            time.sleep(SAMPLE_SECONDS)
            found = gather(app, found)
        warnings = warnings_of(found, limit)
        if as_json:
            show(as_object(found, warnings))
        else:
            click.echo(as_text(found, warnings))
        context.exit(1 if warnings else 0)
    history: deque[Snapshot] = deque(maxlen=HISTORY)
    try:
        with _drawing(as_json=as_json) as draw:
            while True:
                history.append(found)
                draw(found, warnings_of(found, limit), history)
                found = _next(app, found, interval)
    except KeyboardInterrupt:
        context.exit(0)


def _next(app: Any, found: Snapshot, interval: float) -> Snapshot:
    """Return the next snapshot, after however many looks at a broker that is away."""
    while True:
        time.sleep(interval)
        try:
            return gather(app, found)
        except BrokerSilent as error:
            click.echo(str(error), err=True)


@contextmanager
def _drawing(*, as_json: bool) -> Iterator[Draw]:
    """Give what draws a snapshot: in place on a terminal, else a line or an object for each."""
    if as_json:
        yield lambda found, warnings, _history: show(as_object(found, warnings))
        return
    if sys.stdout.isatty():
        with suppress(ImportError):
            from rich.live import Live  # noqa: PLC0415 - an extra: celery-workqueue[terminal]
            from rich.text import Text  # noqa: PLC0415 - as above

            with Live(auto_refresh=False) as live:
                yield lambda found, warnings, history: live.update(
                    Text(as_text(found, warnings, history)), refresh=True
                )
            return
    yield lambda found, warnings, _history: click.echo(as_line(found, warnings))

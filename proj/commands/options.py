"""What the commands share: the option ``--json``, and a progress bar that a pipe never sees."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["json_option", "progress", "show"]

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


def show(told: dict[str, Any]) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(told))


@contextmanager
def progress(count: int, label: str) -> Iterator[Callable[[int], None]]:
    """Give what counts the messages that are done; a bar is drawn on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    began, done = time.monotonic(), 0
    with click.progressbar(
        length=count, label=label, file=sys.stderr, show_pos=True, item_show_func=lambda rate: rate
    ) as bar:

        def on_done(more: int) -> None:
            nonlocal done
            done += more
            bar.update(more, f"{done / max(time.monotonic() - began, 0.001):,.0f}/s")

        yield on_done

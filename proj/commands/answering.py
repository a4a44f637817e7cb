"""What the commands share: an answer as text or ``--json``, and a bar that a pipe never sees."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

__all__ = ["Answer", "command", "progress"]


@dataclass
class Answer:
    """What a command found: the documented JSON object, the same as text, and the exit code."""

    shown: dict[str, Any]
    text: str
    code: int = 0


def command(
    example: str, name: str | None = None
) -> Callable[[Callable[..., Answer]], click.Command]:
    """Make a command of what takes the app and its own options, and returns the answer."""

    def make(answer_to: Callable[..., Answer]) -> click.Command:
        @click.command(name, epilog=f"Example: celery -A proj workqueue {example}")
        @click.pass_context
        @wraps(answer_to)
        def made(context: click.Context, /, *, as_json: bool, **options: Any) -> None:
            answer = answer_to(context.obj.app, **options)
            click.echo(json.dumps(answer.shown) if as_json else answer.text)
            context.exit(answer.code)

        made.params.append(
            click.Option(["--json", "as_json"], is_flag=True, help="One JSON object.")
        )
        return made

    return make


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

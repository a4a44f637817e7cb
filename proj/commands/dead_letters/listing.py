"""``dead-letters list``: what failed, newest first, and how much of it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import Any

import click

from proj.commands.dead_letters.options import selecting, selection_of
from proj.commands.options import json_option, show
from proj.commands.text import age, safe, table
from proj.dead_letters.browsing import Listing, browse
from proj.dead_letters.entry import DeadLetter

__all__ = ["list_letters", "shown_as_json"]


@click.command("list", epilog="Example: ... dead-letters list --reason failed --since 2h")
@selecting
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="Most shown.")
@json_option
@click.pass_context
def list_letters(context: click.Context, /, limit: int, as_json: bool, **options: Any) -> None:  # noqa: FBT001 - click's flag
    """List dead letters, newest first; looking changes none of them.

    Exit code 1 where there are any, 0 where there are none.
    """
    listing = browse(context.obj.app, selection_of(**options), limit=limit)
    if as_json:
        show(_listing_as_json(listing))
    else:
        _print(listing)
    context.exit(1 if listing.selected else 0)


def shown_as_json(entry: DeadLetter) -> dict[str, Any]:
    """Return the documented keys of one letter."""
    told = entry.letter
    now = datetime.now(timezone.utc)
    return {
        "id": entry.id,
        "reason": told.reason.value,
        "task": told.task,
        "queue": told.queue,
        "exception": told.error.exception,
        "message": told.error.message,
        "attempts": told.attempts,
        "replays": entry.replays,
        "when": told.when.isoformat() if told.when else None,
        "age_seconds": (now - told.when).total_seconds() if told.when else None,
        "host": told.host,
        "process_id": told.process_id,
        "body_bytes": entry.size_bytes,
    }


def _listing_as_json(listing: Listing) -> dict[str, Any]:
    return {
        "total": listing.total,
        "selected": listing.selected,
        "by_reason": dict(listing.by_reason.most_common()),
        "by_task": dict(listing.by_task.most_common()),
        "letters": [shown_as_json(entry) for entry in listing.letters],
    }


def _print(listing: Listing) -> None:
    if not listing.selected:
        others = f" {listing.total} others do not match." if listing.total else ""
        click.echo(f"No dead letters.{others}")
        return
    rows: list[tuple[str, ...]] = [("ID", "AGE", "REASON", "TRIES", "REPLAYS", "TASK", "ERROR")]
    rows += [_row(entry) for entry in listing.letters]
    for line in table(rows):
        click.echo(line)
    of = "" if listing.selected == listing.total else f" of {listing.total}"
    click.echo(f"\n{len(listing.letters)} shown, {listing.selected}{of} dead letters")
    click.echo(f"by reason: {_counts(listing.by_reason)}")
    click.echo(f"by task:   {_counts(listing.by_task)}")
    click.echo("Next: dead-letters show ID, dead-letters replay ID")


def _row(entry: DeadLetter) -> tuple[str, ...]:
    told = entry.letter
    error = ": ".join(each for each in (told.error.exception, told.error.message) if each)
    return (
        entry.id,
        age(told.when),
        told.reason.value,
        "?" if told.attempts is None else str(told.attempts),
        str(entry.replays),
        safe(told.task or "-", 60),
        safe(error or "-", 80),
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{safe(name or '-', 60)} {count}" for name, count in counter.most_common(10))

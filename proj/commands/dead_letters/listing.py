"""``dead-letters list``: what failed, newest first, and how much of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import click
from celery import Celery

from proj.commands.answering import Answer, command
from proj.commands.dead_letters.options import selecting, selection_of
from proj.commands.text import age, known, safe, table
from proj.dead_letters.browsing import Listing, browse
from proj.dead_letters.entry import DeadLetter

__all__ = ["list_letters", "shown_as_json"]


@command("dead-letters list --reason failed --since 2h", "list")
@selecting
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="Most shown.")
def list_letters(app: Celery, *, limit: int, **options: Any) -> Answer:
    """List dead letters, newest first; looking changes none of them.

    Exit code 1 where there are any, 0 where there are none.
    """
    listing = browse(app, selection_of(**options), limit=limit)
    shown = {
        "total": listing.total,
        "selected": listing.selected,
        "by_reason": dict(listing.by_reason.most_common()),
        "by_task": dict(listing.by_task.most_common()),
        "letters": [shown_as_json(entry) for entry in listing.letters],
    }
    return Answer(shown, "\n".join(_lines(listing)), bool(listing.selected))


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


def _lines(listing: Listing) -> Iterator[str]:
    if not listing.selected:
        others = f" {listing.total} others do not match." if listing.total else ""
        yield f"No dead letters.{others}"
        return
    head = ("ID", "AGE", "REASON", "TRIES", "REPLAYS", "TASK", "ERROR")
    yield from table([head, *map(_row, listing.letters)])
    of = "" if listing.selected == listing.total else f" of {listing.total}"
    yield f"\n{len(listing.letters)} shown, {listing.selected}{of} dead letters"
    yield f"by reason: {_counts(listing.by_reason)}"
    yield f"by task:   {_counts(listing.by_task)}"
    yield "Next: dead-letters show ID, dead-letters replay ID"


def _row(entry: DeadLetter) -> tuple[str, ...]:
    told = entry.letter
    counts = (known(told.attempts), str(entry.replays))
    texts = (safe(told.task or "-", 60), safe(str(told.error) or "-", 80))
    return (entry.id, age(told.when), told.reason.value, *counts, *texts)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{safe(name or '-', 60)} {count}" for name, count in counter.most_common(10))

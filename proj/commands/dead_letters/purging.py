"""``dead-letters purge``: remove dead letters for good."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click
from celery import Celery

from proj.commands.answering import Answer, command
from proj.commands.dead_letters.options import FILE, Moment, choosing, selection_of
from proj.dead_letters.browsing import seen
from proj.dead_letters.purging import purge as purge_letters

__all__ = ["purge"]


@command("dead-letters purge --older-than 30d --export old.jsonl")
@choosing
@click.option("--older-than", type=Moment(), metavar="AGE", help="Died longer ago than AGE: 7d.")
@click.option("--export", **FILE, help="First write them to FILE, which must not exist.")
@click.option("--yes", is_flag=True, help="Do not ask for the count.")
def purge(
    app: Celery, *, older_than: datetime | None, export: Path | None, yes: bool, **options: Any
) -> Answer:
    """Remove dead letters for good: those with an ID, or those that match.

    Only letters that were there when they were counted are removed. What was exported comes back
    by ``dead-letters replay --from FILE --all``.
    """
    chosen = seen(app, selection_of(**options, older_than=older_than))
    if chosen.count and not yes:
        asking = f"{chosen.count} dead letters would be gone. Type the number to remove them"
        if click.prompt(asking, err=True).strip() != str(chosen.count):
            raise click.ClickException("That is not the number: nothing was removed.")
    removed = purge_letters(app, chosen, export=export) if chosen.count else 0
    kept = f" They are in {export}." if export and removed else ""
    shown = {"removed": removed, "export": str(export) if export else None}
    return Answer(shown, f"Removed {removed} dead letters.{kept}")

"""``dead-letters replay``: run dead letters again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from celery import Celery

from proj.commands.answering import Answer, command, progress
from proj.commands.dead_letters.options import FILE, choosing, selection_of
from proj.configuration import work_queue_settings
from proj.dead_letters.browsing import fixed, seen
from proj.dead_letters.filing import read_file
from proj.dead_letters.replaying import replay as replay_letters
from proj.dead_letters.replaying import replay_file

__all__ = ["replay"]


@command("dead-letters replay --task tasks.messages.process_message")
@choosing
@click.option("--to", metavar="QUEUE", help="To this queue, not to the work queue.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="At most so many a second.")
@click.option("--from", "path", **FILE, help="From FILE, which purge --export wrote.")
@click.option("--dry-run", is_flag=True, help="Only count.")
def replay(
    app: Celery,
    *,
    to: str | None,
    rate: float | None,
    path: Path | None,
    dry_run: bool,
    **options: Any,
) -> Answer:
    """Put dead letters back into the work queue: those with an ID, or those that match.

    Each is confirmed there before it is removed here. Attempts start again; nothing that has
    expired expires again. Interrupted at any moment it loses nothing: run it again.
    """
    wanted = selection_of(**options)
    chosen = fixed(wanted, read_file(path)) if path else seen(app, wanted)
    count, queue, done = chosen.count, to or work_queue_settings(app).name, 0
    if count and not dry_run:
        with progress(count, f"Replaying to {queue}") as on_replayed:
            how: dict[str, Any] = {"to": to, "letters_per_second": rate, "on_replayed": on_replayed}
            if path:
                done = replay_file(app, path, chosen, **how)
            else:
                done = replay_letters(app, chosen, **how)
    shown = {"selected": count, "replayed": done, "queue": queue}
    if dry_run:
        return Answer(shown, f"{count} dead letters would go to {queue!r}. Nothing was changed.")
    if done < count:
        click.echo(f"{count - done} were held or taken by somebody else: run it again.", err=True)
    return Answer(shown, f"Replayed {done} dead letters to {queue!r}.", int(done < count))

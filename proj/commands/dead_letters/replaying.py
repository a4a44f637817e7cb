"""``dead-letters replay``: run dead letters again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from proj.commands.dead_letters.options import choosing, selection_of
from proj.commands.options import json_option, progress, show
from proj.configuration import work_queue_settings
from proj.dead_letters.browsing import fixed, seen
from proj.dead_letters.filing import read_file
from proj.dead_letters.replaying import replay as replay_letters
from proj.dead_letters.replaying import replay_file

__all__ = ["replay"]


@click.command(epilog="Example: ... dead-letters replay --task tasks.messages.process_message")
@choosing
@click.option("--to", metavar="QUEUE", help="To this queue, not to the work queue.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="At most so many a second.")
@click.option(
    "--from",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="From FILE, which purge --export wrote.",
)
@click.option("--dry-run", is_flag=True, help="Only count.")
@json_option
@click.pass_context
def replay(  # noqa: PLR0917 - click's options
    context: click.Context,
    /,
    to: str | None,
    rate: float | None,
    path: Path | None,
    dry_run: bool,  # noqa: FBT001 - click's flag
    as_json: bool,  # noqa: FBT001 - as above
    **options: Any,
) -> None:
    """Put dead letters back into the work queue: those with an ID, or those that match.

    Each is confirmed there before it is removed here. Attempts start again; nothing that has
    expired expires again. Interrupted at any moment it loses nothing: run it again.
    """
    app = context.obj.app
    wanted = selection_of(**options)
    chosen = fixed(wanted, read_file(path)) if path else seen(app, wanted)
    count = chosen.count
    queue = to or work_queue_settings(app).name
    done = 0
    if not dry_run and count:
        with progress(count, f"Replaying to {queue}") as on_replayed:
            how: dict[str, Any] = {"to": to, "letters_per_second": rate, "on_replayed": on_replayed}
            done = (
                replay_file(app, path, chosen, **how)
                if path
                else replay_letters(app, chosen, **how)
            )
    if as_json:
        show({"selected": count, "replayed": done, "queue": queue})
    elif dry_run:
        click.echo(f"{count} dead letters would go to {queue!r}. Nothing was changed.")
    else:
        click.echo(f"Replayed {done} dead letters to {queue!r}.")
    if done < count and not dry_run:
        click.echo(f"{count - done} were held or taken by somebody else: run it again.", err=True)
        context.exit(1)

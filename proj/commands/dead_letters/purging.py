"""``dead-letters purge``: remove dead letters for good."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from proj.commands.dead_letters.options import Moment, choosing, selection_of
from proj.commands.options import json_option, show
from proj.dead_letters.browsing import seen
from proj.dead_letters.purging import purge as purge_letters

__all__ = ["purge"]


@click.command(epilog="Example: ... dead-letters purge --older-than 30d --export old.jsonl")
@choosing
@click.option("--older-than", type=Moment(), metavar="AGE", help="Died longer ago than AGE: 7d.")
@click.option(
    "--export",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write them to FILE, which must not exist, before they are removed.",
)
@click.option("--yes", is_flag=True, help="Do not ask for the count.")
@json_option
@click.pass_context
def purge(
    context: click.Context,
    /,
    older_than: datetime | None,
    export: Path | None,
    yes: bool,  # noqa: FBT001 - click's flag
    as_json: bool,  # noqa: FBT001 - as above
    **options: Any,
) -> None:
    """Remove dead letters for good: those with an ID, or those that match.

    Only letters that were there when they were counted are removed. What was exported comes back
    by ``dead-letters replay --from FILE --all``.
    """
    app = context.obj.app
    wanted = selection_of(**options, older_than=older_than)
    chosen = seen(app, wanted)
    count = chosen.count
    if count and not yes:
        typed = click.prompt(
            f"{count} dead letters would be gone. Type the number to remove them", err=True
        )
        if typed.strip() != str(count):
            raise click.ClickException("That is not the number: nothing was removed.")
    removed = purge_letters(app, chosen, export=export) if count else 0
    if as_json:
        show({"removed": removed, "export": str(export) if export else None})
    else:
        click.echo(
            f"Removed {removed} dead letters."
            + (f" They are in {export}." if export and removed else "")
        )

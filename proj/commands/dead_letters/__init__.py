"""``celery -A proj workqueue dead-letters``: see what failed, run it again, remove it."""

from __future__ import annotations

import click

from proj.commands.dead_letters.listing import list_letters
from proj.commands.dead_letters.purging import purge
from proj.commands.dead_letters.replaying import replay
from proj.commands.dead_letters.showing import show

__all__ = ["dead_letters"]


@click.group(epilog="Example: celery -A proj workqueue dead-letters list --since 1h")
def dead_letters() -> None:
    """See what failed for good, run it again, or remove it."""


for _command in (list_letters, show, replay, purge):
    dead_letters.add_command(_command)

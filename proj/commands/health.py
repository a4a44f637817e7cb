"""``workqueue health``: what the program ``workqueue-health`` tells, which starts much faster."""

from __future__ import annotations

import click

from proj.configuration import work_queue_settings
from proj.health import main

__all__ = ["health"]


# The arguments are the program's own.
@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def health(context: click.Context, /, arguments: tuple[str, ...]) -> None:
    """Tell whether the workers of this host are ready (the same: workqueue-health)."""
    folder = work_queue_settings(context.obj.app).runtime_folder
    context.exit(main(arguments, "celery -A proj workqueue health", folder))

"""``celery -A proj workqueue ...``: operate the work queue. The only code that prints."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from kombu.exceptions import OperationalError

from proj.errors import WorkQueueError

__all__ = ["workqueue"]

COMMANDS = {
    "dead-letters": "dead_letters",
    "doctor": "doctor",
    "health": "health",
    "move": "move",
    "pause": "pausing",
    "resume": "pausing",
    "status": "status.command",
}
"""Name -> module; loaded when it is asked for, as Celery imports this file for every command."""


class Commands(click.Group):
    """The commands, each in a file of its own; an error of ours is one line and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:  # noqa: ARG002 - as above
        """Return the command of that name, None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        return getattr(module, cmd_name.replace("-", "_"))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; tell an error in one line, unless its traceback was asked for."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise  # click's own, and a reader such as `head` that has had enough
        except Exception as error:
            if ctx.params["traceback"]:
                raise
            told = str(error)
            if not isinstance(error, (WorkQueueError, OperationalError)):
                told = f"{type(error).__name__}: {error}. See where: workqueue --traceback ..."
            raise click.ClickException(told) from error


@click.group(cls=Commands, epilog="Example: celery -A proj workqueue status")
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
def workqueue(traceback: bool) -> None:  # noqa: FBT001 - read by Commands.invoke
    """Operate the work queue."""

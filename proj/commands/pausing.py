"""``workqueue pause`` and ``workqueue resume``: the whole queue, on every host, until resumed."""

from __future__ import annotations

from typing import Any

import click

from proj import pause as pauses
from proj.commands.broker import asked
from proj.commands.options import json_option, show
from proj.configuration import work_queue_settings
from proj.pause import Pause, whoever_runs_this
from proj.worker.pausing import LOOK_SECONDS

__all__ = ["pause", "resume"]

ANSWER_SECONDS = 1.0


@click.command(epilog="Example: celery -A proj workqueue pause --by 'ada: database upgrade'")
@click.option("--by", metavar="TEXT", help="Who pauses, and why; the user and host unless given.")
@json_option
@click.pass_context
def pause(context: click.Context, /, by: str | None, as_json: bool) -> None:  # noqa: FBT001 - click's flag
    """Let no worker take messages from the work queue, now or after a restart, until resumed.

    Running tasks finish, and publishing goes on. The pause is kept on the broker.
    """
    app = context.obj.app
    settings = work_queue_settings(app)
    with asked(app) as channel:
        was = pauses.current(channel, settings)
        now = pauses.begin(channel, settings, by or whoever_runs_this())
        told = _tell(app, channel.connection.client, settings.name, now)
    if as_json:
        show({**_shown(settings.name, now), "was_paused": bool(was), "workers": told})
        return
    verb = "was paused already" if was else "is paused"
    click.echo(f"{settings.name} {verb}, since {now.since or '?'} by {now.by or '?'}.")
    _echo_told(told)
    click.echo("What runs goes on. Next: workqueue status, workqueue resume")


@click.command(epilog="Example: celery -A proj workqueue resume")
@json_option
@click.pass_context
def resume(context: click.Context, /, as_json: bool) -> None:  # noqa: FBT001 - click's flag
    """End the pause of the work queue: every worker takes messages again."""
    app = context.obj.app
    settings = work_queue_settings(app)
    with asked(app) as channel:
        was = pauses.end(channel, settings)
        told = _tell(app, channel.connection.client, settings.name, None)
    if as_json:
        show({**_shown(settings.name, was), "paused": False, "workers": told})
        return
    if was:
        since = f"since {was.since or '?'} by {was.by or '?'}"
        click.echo(f"{settings.name} goes on; it was paused {since}.")
    else:
        click.echo(f"{settings.name} was not paused.")
    _echo_told(told)


def _tell(app: Any, connection: Any, queue: str, found: Pause | None) -> list[str]:
    """Tell every worker at once; return those that answered."""
    answers = app.control.broadcast(
        "work_queue_pause",
        arguments={
            "queue": queue,
            "since": found and found.since,
            "by": found and (found.by or "?"),
        },
        reply=True,
        timeout=ANSWER_SECONDS,
        connection=connection,
    )
    return sorted(
        node for each in answers or () for node, answer in each.items() if "ok" in (answer or ())
    )


def _echo_told(workers: list[str]) -> None:
    obeyed = f"Obeyed by {', '.join(workers)}; any other worker" if workers else "Any worker"
    click.echo(f"{obeyed} that runs obeys within {LOOK_SECONDS:.0f} s, or as it starts.")


def _shown(queue: str, found: Pause | None) -> dict[str, Any]:
    return {
        "queue": queue,
        "paused": True,
        "since": found and found.since,
        "by": found and found.by,
    }

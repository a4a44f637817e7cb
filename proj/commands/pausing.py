"""``workqueue pause`` and ``workqueue resume``: the whole queue, on every host, until resumed."""

from __future__ import annotations

from typing import Any

import click
from celery import Celery

from proj import pause as pauses
from proj.broker.asking import asked
from proj.commands.answering import Answer, command
from proj.configuration import work_queue_settings
from proj.pause import Pause, whoever_runs_this
from proj.worker.pausing import LOOK_SECONDS

__all__ = ["pause", "resume"]

ANSWER_SECONDS = 1.0


@command("pause --by 'ada: database upgrade'")
@click.option("--by", metavar="TEXT", help="Who pauses, and why; the user and host unless given.")
def pause(app: Celery, *, by: str | None) -> Answer:
    """Let no worker take messages from the work queue, now or after a restart, until resumed.

    Running tasks finish, and publishing goes on. The pause is kept on the broker.
    """
    settings = work_queue_settings(app)
    with asked(app.connection_for_read()) as channel:
        was = pauses.current(channel, settings)
        now = pauses.begin(channel, settings, by or whoever_runs_this())
        verb = "was paused already" if was else "is paused"
        told = f"{settings.name} {verb}, {now}."
        return _told(app, channel, now, told, paused=True, was_paused=bool(was), **vars(now))


@command("resume")
def resume(app: Celery) -> Answer:
    """End the pause of the work queue: every worker takes messages again."""
    settings = work_queue_settings(app)
    with asked(app.connection_for_read()) as channel:
        was = pauses.end(channel, settings)
        told = f"{settings.name} goes on; it was paused {was}."
        if was is None:
            told = f"{settings.name} was not paused."
        return _told(app, channel, None, told, paused=False, **vars(was or Pause(None, None)))


def _told(app: Celery, channel: Any, found: Pause | None, told: str, **shown: Any) -> Answer:
    """Tell every worker at once, and answer with those that obeyed."""
    queue = work_queue_settings(app).name
    by = found and (found.by or "?")
    answers = app.control.broadcast(
        "work_queue_pause",
        arguments={"queue": queue, "since": found and found.since, "by": by},
        reply=True,
        timeout=ANSWER_SECONDS,
        connection=channel.connection.client,
    )
    told_by = [(node, answer) for each in answers or () for node, answer in each.items()]
    obeyed = sorted(node for node, answer in told_by if "ok" in (answer or ()))
    workers = ", ".join(obeyed)
    who = f"Obeyed by {workers}; any other worker" if workers else "Any worker"
    lines = [told, f"{who} that runs obeys within {LOOK_SECONDS:.0f} s, or as it starts."]
    if found:
        lines.append("What runs goes on. Next: workqueue status, workqueue resume")
    return Answer({"queue": queue, **shown, "workers": obeyed}, "\n".join(lines))

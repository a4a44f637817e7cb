"""``dead-letters show``: one dead letter in full."""

from __future__ import annotations

import json
from typing import Any

import click

from proj.commands.dead_letters.listing import shown_as_json
from proj.commands.options import json_option
from proj.commands.options import show as show_json
from proj.commands.text import age, safe
from proj.dead_letters import letter
from proj.dead_letters.browsing import find
from proj.dead_letters.entry import DeadLetter

__all__ = ["show"]

LONGEST_BODY = 2_000
"""Characters of a body that are shown; ``purge --export`` writes all of it."""

TOLD_ELSEWHERE = {"x-death", *letter.HEADERS} - {letter.EXPIRATION, letter.USER}


@click.command(epilog="Example: ... dead-letters show 3f2a")
@click.argument("letter_id", metavar="ID")
@json_option
@click.pass_context
def show(context: click.Context, /, letter_id: str, as_json: bool) -> None:  # noqa: FBT001 - click's flag
    """Show the dead letter whose id begins with ID: arguments, headers, deaths, traceback."""
    found = find(context.obj.app, letter_id)
    if as_json:
        show_json({"letters": [_as_json(entry) for entry in found]})
        return
    for entry in found:
        _print(entry)
    app_name = context.obj.app.main or "proj"
    click.echo(f"Replay it: celery -A {app_name} workqueue dead-letters replay {found[0].id}")


def _print(entry: DeadLetter) -> None:
    told = entry.letter
    facts = {
        "id": entry.id,
        "reason": told.reason.value,
        "task": told.task or "-",
        "queue": told.queue or "-",
        "died": f"{told.when.isoformat()} ({age(told.when)} ago)" if told.when else "?",
        "on": f"{told.host}, process {told.process_id}" if told.host else "the broker",
        "attempts": "?" if told.attempts is None else told.attempts,
        "replays": entry.replays,
        "error": ": ".join(filter(None, (told.error.exception, told.error.message))) or "-",
        **_content(entry),
    }
    for name, value in facts.items():
        click.echo(f"{name + ':':<11}{safe(value)}")
    click.echo("headers:")
    for name, value in entry.headers.items():
        if name not in TOLD_ELSEWHERE:
            click.echo(f"  {safe(name, 255)}: {safe(value, 500)}")
    for death in _deaths(entry):
        shown = (f"{name} {death.get(name)}" for name in ("reason", "queue", "count", "time"))
        click.echo(f"death:     {safe(', '.join(shown))}")
    if told.error.traceback:
        click.echo("traceback:")
        click.echo(safe(told.error.traceback, 20_000, lines=True))
    click.echo()


def _content(entry: DeadLetter) -> dict[str, object]:
    """Return args and kwargs where they can be read without running anything, else the bytes."""
    body = entry.original.body
    try:
        args, kwargs, _ = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        cut = f" [... {len(body):,} bytes]" if len(body) > LONGEST_BODY else ""
        return {"body": f"{body[:LONGEST_BODY]!r}{cut}"}
    return {"args": json.dumps(args), "kwargs": json.dumps(kwargs)}


def _as_json(entry: DeadLetter) -> dict[str, Any]:
    headers = {name: safe(value) for name, value in entry.headers.items()}
    return {
        **shown_as_json(entry),
        "traceback": entry.letter.error.traceback,
        "headers": headers,
        "deaths": [{key: safe(value) for key, value in each.items()} for each in _deaths(entry)],
        "args": None,
        "kwargs": None,
        "body": None,
        **_content(entry),
    }


def _deaths(entry: DeadLetter) -> list[dict[str, Any]]:
    deaths = entry.headers.get("x-death")
    return [each for each in deaths if isinstance(each, dict)] if isinstance(deaths, list) else []

"""``dead-letters show``: one dead letter in full."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
from celery import Celery

from proj.commands.answering import Answer, command
from proj.commands.dead_letters.listing import shown_as_json
from proj.commands.text import age, known, safe
from proj.dead_letters import letter
from proj.dead_letters.browsing import find
from proj.dead_letters.entry import DeadLetter

__all__ = ["show"]

LONGEST_BODY = 2_000
"""Characters of a body that are shown; ``purge --export`` writes all of it."""

TOLD_ELSEWHERE = {"x-death", *letter.HEADERS} - {letter.EXPIRATION, letter.USER}


@command("dead-letters show 3f2a")
@click.argument("letter_id", metavar="ID")
def show(app: Celery, *, letter_id: str) -> Answer:
    """Show the dead letter whose id begins with ID: arguments, headers, deaths, traceback."""
    found = find(app, letter_id)
    lines = [line for entry in found for line in _lines(entry)]
    replay = f"celery -A {app.main or 'proj'} workqueue dead-letters replay {found[0].id}"
    shown = {"letters": [_as_json(entry) for entry in found]}
    return Answer(shown, "\n".join([*lines, f"Replay it: {replay}"]))


def _lines(entry: DeadLetter) -> Iterator[str]:
    told = entry.letter
    facts = {
        "id": entry.id,
        "reason": told.reason.value,
        "task": told.task or "-",
        "queue": told.queue or "-",
        "died": f"{told.when.isoformat()} ({age(told.when)} ago)" if told.when else "?",
        "on": f"{told.host}, process {told.process_id}" if told.host else "the broker",
        "attempts": known(told.attempts),
        "replays": entry.replays,
        "error": str(told.error) or "-",
        **_content(entry),
    }
    yield from (f"{name + ':':<11}{safe(value)}" for name, value in facts.items())
    yield "headers:"
    for name, value in entry.headers.items():
        if name not in TOLD_ELSEWHERE:
            yield f"  {safe(name, 255)}: {safe(value, 500)}"
    for death in _deaths(entry):
        shown = (f"{name} {death.get(name)}" for name in ("reason", "queue", "count", "time"))
        yield f"death:     {safe(', '.join(shown))}"
    if told.error.traceback:
        yield f"traceback:\n{safe(told.error.traceback, 20_000, lines=True)}"
    yield ""


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
    return {
        **shown_as_json(entry),
        "traceback": entry.letter.error.traceback,
        "headers": {name: safe(value) for name, value in entry.headers.items()},
        "deaths": [{key: safe(value) for key, value in each.items()} for each in _deaths(entry)],
        **dict.fromkeys(("args", "kwargs", "body")),
        **_content(entry),
    }


def _deaths(entry: DeadLetter) -> list[dict[str, Any]]:
    deaths = entry.headers.get("x-death")
    return [each for each in deaths if isinstance(each, dict)] if isinstance(deaths, list) else []

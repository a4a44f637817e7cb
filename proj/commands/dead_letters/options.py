"""The options by which every ``dead-letters`` command selects letters, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import click

from proj.dead_letters.reasons import Reason
from proj.dead_letters.selecting import Selection

__all__ = ["FILE", "Moment", "choosing", "selecting", "selection_of"]

Command = TypeVar("Command", bound=Callable[..., Any])

AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

REASONS = [each.value for each in Reason]

FILE: dict[str, Any] = {"metavar": "FILE", "type": click.Path(path_type=Path)}


class Moment(click.ParamType):  # type: ignore[type-arg] # older clicks have no argument
    """A time: ISO 8601 (local without a zone), or an age such as 90s, 15m, 2h, 7d, 1w."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time with its zone."""
        if isinstance(value, datetime):
            return value
        age = AGE.fullmatch(value)
        try:
            if age:
                ago = timedelta(**{UNITS[age[2]]: float(age[1])})
                return datetime.now(timezone.utc) - ago
            return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone()
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a time (2026-11-24T10:00) nor an age (2h).", param, ctx
            )


SELECTING = (
    click.option("--match", metavar="TEXT", help="With TEXT in id, task, error or body."),
    click.option("--until", type=Moment(), metavar="TIME", help="Died before TIME: 7d."),
    click.option("--since", type=Moment(), metavar="TIME", help="Died at TIME or later: 2h."),
    click.option("--task", help="Only of this task."),
    click.option("--reason", type=click.Choice(REASONS), help="Only of this reason."),
)
"""The last one first, as decorators are applied."""


def selecting(command: Command) -> Command:
    """Give ``command`` the filters that :func:`selection_of` reads."""
    for option in SELECTING:
        command = option(command)
    return command


def choosing(command: Command) -> Command:
    """Give ``command`` the filters, ids and ``--all``, one of which must be there."""
    everything = click.option("--all", "everything", is_flag=True, help="All dead letters.")
    return click.argument("ids", metavar="[ID]...", nargs=-1)(everything(selecting(command)))


def selection_of(
    *,
    reason: str | None,
    until: datetime | None,
    match: str | None,
    older_than: datetime | None = None,
    everything: bool | None = None,
    **fields: Any,
) -> Selection:
    """Return what the options select; ``everything`` is None where nothing has to be chosen.

    Raises ``UsageError`` unless letters were chosen, or all of them in so many words.
    """
    before = min(filter(None, (until, older_than)), default=None)
    why = Reason(reason) if reason else None
    wanted = Selection(reason=why, until=before, text=match, **fields)
    if everything is not None and everything == (wanted != Selection()):
        raise click.UsageError("Name the letters: ids, a filter such as --task, or else --all.")
    return wanted

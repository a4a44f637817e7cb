"""The options by which every ``dead-letters`` command selects letters, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import click

from proj.dead_letters.reasons import Reason
from proj.dead_letters.selecting import Selection

__all__ = ["Moment", "choosing", "selecting", "selection_of"]

Command = TypeVar("Command", bound=Callable[..., Any])

AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

REASONS = [each.value for each in Reason]


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


def selecting(command: Command) -> Command:
    """Give ``command`` the filters that :func:`selection_of` reads."""
    options = (
        click.option("--reason", type=click.Choice(REASONS), help="Only of this reason."),
        click.option("--task", help="Only of this task."),
        click.option("--since", type=Moment(), metavar="TIME", help="Died at TIME or later: 2h."),
        click.option("--until", type=Moment(), metavar="TIME", help="Died before TIME: 7d."),
        click.option("--match", metavar="TEXT", help="With TEXT in id, task, error or body."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def choosing(command: Command) -> Command:
    """Give ``command`` the filters, ids and ``--all``, one of which must be there."""
    command = click.option("--all", "everything", is_flag=True, help="All dead letters.")(
        selecting(command)
    )
    return click.argument("ids", metavar="[ID]...", nargs=-1)(command)


def selection_of(
    *,
    reason: str | None,
    task: str | None,
    since: datetime | None,
    until: datetime | None,
    match: str | None,
    older_than: datetime | None = None,
    ids: tuple[str, ...] = (),
    everything: bool | None = None,
) -> Selection:
    """Return what the options select; ``everything`` is None where nothing has to be chosen.

    Raises ``UsageError`` unless letters were chosen, or all of them in so many words.
    """
    before = min(filter(None, (until, older_than)), default=None)
    wanted = Selection(ids, Reason(reason) if reason else None, task, since, before, match)
    if everything is not None and everything == (wanted != Selection()):
        raise click.UsageError("Name the letters: ids, a filter such as --task, or else --all.")
    return wanted

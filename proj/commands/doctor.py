"""``celery -A proj workqueue doctor``: what can lose or delay work, and what to do about it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from dataclasses import asdict
from itertools import groupby

import click

from proj.commands.options import json_option, show
from proj.commands.text import safe
from proj.configuration import work_queue_settings
from proj.doctor.examining import LIVE, STATIC, examine
from proj.doctor.finding import SEVERITIES, Finding, catalogue
from proj.doctor.fixing import fix

__all__ = ["doctor"]

COLORS = dict(zip(SEVERITIES, ("red", "red", "yellow", "magenta", "cyan"), strict=True))

NARROWEST, WIDEST = 40, 110
"""Columns of a terminal that are filled; what is piped is not wrapped."""


@click.command(epilog="Example: celery -A proj workqueue doctor --static --ignore no-tls")
@click.option("--static", "only_static", is_flag=True, help="Do not ask broker and workers.")
@click.option("--fix", "fixes", is_flag=True, help="Declare and bind what is missing, then look.")
@click.option("--ignore", multiple=True, metavar="NAME", help="Leave out a finding; repeatable.")
@json_option
@click.pass_context
def doctor(
    context: click.Context,
    /,
    only_static: bool,  # noqa: FBT001 - click's flag
    fixes: bool,  # noqa: FBT001 - as above
    ignore: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - as above
) -> None:
    """Find what can lose or delay work, in the configuration, on the broker and in the workers.

    Each finding has the fact, why it matters, the remedy and a page. Exit code 1 where there are
    any, 0 where there are none. No task is run, and nothing that exists is changed.
    """
    app = context.obj.app
    if fixes and only_static:
        raise click.UsageError("--fix declares on the broker, which --static does not ask.")
    for name in set(ignore) - set(catalogue().sections()):
        raise click.UsageError(f"There is no finding {name!r}.")
    fixed = fix(app) if fixes else []
    findings = [each for each in examine(app, only_static=only_static) if each.name not in ignore]
    if as_json:
        shown = [{**asdict(each), "page": each.page} for each in findings]
        show({"fixed": fixed, "findings": shown})
    else:
        if fixed:
            click.echo(f"Declared and bound: {', '.join(fixed)}.\n")
        for name, alike in groupby(findings, lambda each: each.name):
            _print(name, list(alike))
        _print_summary(findings, len(STATIC) + (0 if only_static else len(LIVE)))
        if fixes and findings:
            click.echo(
                "--fix declares and binds what is missing. It changes no setting, deletes no queue "
                "and alters none: what is left is yours, by the remedies above."
            )
        has_management = app.connection_for_read().transport.driver_type == "amqp"
        if has_management and not only_static and not work_queue_settings(app).management_url:
            click.echo(
                "Not looked at, for want of work_queue_management_url: the nodes, their disk and "
                "memory, members of queues, policies, permissions."
            )
    context.exit(1 if findings else 0)


def _print(name: str, alike: list[Finding]) -> None:
    told = alike[0]
    severity = click.style(told.severity.upper(), fg=COLORS[told.severity], bold=True)
    click.echo(f"{severity}  {name}")
    lines = [("fact:", each.fact) for each in alike]
    for label, text in (*lines, ("why:", told.why), ("remedy:", told.remedy), ("page:", told.page)):
        wrap = sys.stdout.isatty() and label != "remedy:"  # which is copied
        click.echo(_wrapped(f"  {label:<8}", safe(text)) if wrap else f"  {label:<8}{safe(text)}")
    click.echo()


def _wrapped(label: str, text: str) -> str:
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    return textwrap.fill(
        text,
        width,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _print_summary(findings: list[Finding], checks: int) -> None:
    counts = Counter(each.severity for each in findings)
    told = ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each])
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    click.echo(f"{count}: {told}." if told else f"{checks} checks found nothing.")

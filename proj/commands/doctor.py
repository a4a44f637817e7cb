"""``celery -A proj workqueue doctor``: what can lose or delay work, and what to do about it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

import click
from celery import Celery

from proj.commands.answering import Answer, command
from proj.commands.text import safe
from proj.doctor.examined import Examined
from proj.doctor.examining import examine
from proj.doctor.finding import SEVERITIES, Finding, catalogue
from proj.doctor.fixing import fix

__all__ = ["doctor"]

COLORS = dict(zip(SEVERITIES, ("red", "red", "yellow", "magenta", "cyan"), strict=True))

NARROWEST, WIDEST = 40, 110
"""Columns of a terminal that are filled; what is piped is not wrapped."""

UNFIXED = (
    "--fix declares and binds what is missing. It changes no setting, deletes no queue "
    "and alters none: what is left is yours, by the remedies above."
)

UNSEEN = (
    "Not looked at, for want of work_queue_management_url: the nodes, their disk and "
    "memory, members of queues, policies, permissions."
)


@command("doctor --static --ignore no-tls")
@click.option("--static", "only_static", is_flag=True, help="Do not ask broker and workers.")
@click.option("--fix", "fixes", is_flag=True, help="Declare and bind what is missing, then look.")
@click.option("--ignore", multiple=True, metavar="NAME", help="Leave out a finding; repeatable.")
def doctor(app: Celery, *, only_static: bool, fixes: bool, ignore: tuple[str, ...]) -> Answer:
    """Find what can lose or delay work, in the configuration, on the broker and in the workers.

    Each finding has the fact, why it matters, the remedy and a page. Exit code 1 where there are
    any, 0 where there are none. No task is run, and nothing that exists is changed.
    """
    if fixes and only_static:
        raise click.UsageError("--fix declares on the broker, which --static does not ask.")
    for name in set(ignore) - set(catalogue().sections()):
        raise click.UsageError(f"There is no finding {name!r}.")
    fixed = fix(app) if fixes else []
    findings = [each for each in examine(app, only_static=only_static) if each.name not in ignore]
    lines = [f"Declared and bound: {', '.join(fixed)}.\n"] if fixed else []
    for name, alike in groupby(findings, lambda each: each.name):
        lines += _block(name, list(alike))
    lines.append(_summary(findings))
    if fixes and findings:
        lines.append(UNFIXED)
    examined = Examined(app)
    if examined.is_rabbitmq and not only_static and not examined.settings.management_url:
        lines.append(UNSEEN)
    shown = {"fixed": fixed, "findings": [asdict(each) for each in findings]}
    return Answer(shown, "\n".join(lines), bool(findings))


def _block(name: str, alike: list[Finding]) -> Iterator[str]:
    told = alike[0]
    severity = click.style(told.severity.upper(), fg=COLORS[told.severity], bold=True)
    yield f"{severity}  {name}"
    texts = [("fact:", each.fact) for each in alike]
    for label, text in (*texts, ("why:", told.why), ("remedy:", told.remedy), ("page:", told.page)):
        # A remedy is copied.
        width = _width() if sys.stdout.isatty() and label != "remedy:" else sys.maxsize
        yield textwrap.fill(
            safe(text),
            width,
            initial_indent=f"  {label:<8}",
            subsequent_indent=" " * 10,
            break_on_hyphens=False,
            break_long_words=False,
        )
    yield ""


def _summary(findings: list[Finding]) -> str:
    counts = Counter(each.severity for each in findings)
    told = ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each])
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return f"{count}: {told}." if findings else "Nothing found."


def _width() -> int:
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)

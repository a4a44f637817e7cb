"""Runs the checks, and gathers what they find: the most urgent first."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from amqp.exceptions import AccessRefused, ChannelError, NotAllowed
from celery import Celery

from proj.doctor.examined import Examined
from proj.doctor.finding import SEVERITIES, Facts, Finding, catalogue, finding
from proj.doctor.live import broker, cluster, permissions, queue, route, workers
from proj.doctor.live.reached import Reached, reach
from proj.doctor.static.messages import acknowledging, publishing
from proj.doctor.static.queues import limits, queues
from proj.doctor.static.security import security
from proj.doctor.static.tasks import tasks
from proj.errors import LettersUnreadable, ManagementUnavailable

__all__ = ["LIVE", "STATIC", "examine"]

STATIC = (acknowledging, publishing, queues, limits, security, tasks)
"""What the configuration tells."""


def _checks(*modules: ModuleType) -> list[Callable[[Any], Any]]:
    """Return the functions in ``modules`` that have the name of a finding, in its order."""
    names = [section.replace("-", "_") for section in catalogue().sections()]
    return [vars(module)[name] for name in names for module in modules if name in vars(module)]


LIVE = _checks(broker, cluster, permissions, queue, route, workers)
"""What the broker and the workers tell: each returns what it found, as one text or several."""


def examine(app: Celery, *, only_static: bool = False) -> list[Finding]:
    """Return what can lose or delay work in ``app``; ``only_static``: without asking the broker.

    Raises :class:`proj.errors.SettingsError` for ``work_queue_*`` settings that are wrong.
    """
    examined = Examined(app)
    found = [] if only_static or not examined.is_supported else [*_live(examined)]
    # After the broker, which has told its release.
    found += (fact for check in STATIC for fact in check(examined))
    names = {"queue": examined.settings.name, "app": app.main or "proj"}
    findings = [finding(name, str(fact), **names) for name, fact in dict.fromkeys(found) if fact]
    return sorted(findings, key=lambda each: SEVERITIES.index(each.severity))


def _live(examined: Examined) -> Facts:
    connection = examined.app.connection_for_write()
    url, errors = connection.as_uri(), (*connection.connection_errors, *connection.channel_errors)
    try:
        with reach(examined) as reached:
            for check in LIVE:
                yield from _told(check, reached)
    except (AccessRefused, NotAllowed) as error:
        yield "login-refused", f"{url} refuses this account: {_reason(error)}"
    except errors as error:
        yield "broker-unreachable", f"{url} does not answer: {_reason(error)}"


def _told(check: Callable[[Reached], Any], reached: Reached) -> Facts:
    name = check.__name__.replace("_", "-")
    try:
        told = check(reached)
        yield from ((name, fact) for fact in ([told] if isinstance(told, str) else told or ()))
    except AccessRefused as error:
        yield "permission-missing", _reason(error)
    except ChannelError as error:
        yield "broker-refuses", f"{name.replace('-', ' ')}: {_reason(error)}"
    except LettersUnreadable as error:
        yield "dead-letter-route-broken", str(error).rstrip(".")
    except ManagementUnavailable as error:
        yield "management-unreadable", f"{error.broker}: {error.reason}"


def _reason(error: Any) -> str:
    return str(getattr(error, "reply_text", None) or error) or type(error).__name__

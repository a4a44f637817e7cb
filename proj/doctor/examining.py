"""Runs the checks, and gathers what they find: the most urgent first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from amqp.exceptions import AccessRefused, ChannelError, NotAllowed

from proj.doctor.examined import Examined
from proj.doctor.finding import SEVERITIES, Finding, catalogue, finding
from proj.doctor.live import broker, cluster, permissions, queue, route, workers
from proj.doctor.live.reached import Reached, reach
from proj.doctor.static import acknowledging, consuming, publishing, queues, security, tasks
from proj.errors import LettersUnreadable, ManagementUnavailable

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["LIVE", "STATIC", "examine"]


def _checks(*modules: ModuleType) -> list[Callable[[Any], Any]]:
    """Return the functions in ``modules`` that have the name of a finding."""
    names = [section.replace("-", "_") for section in catalogue().sections()]
    return [vars(module)[name] for name in names for module in modules if name in vars(module)]


STATIC = _checks(acknowledging, consuming, publishing, queues, security, tasks)
"""What the configuration tells: each check returns what it found, as one text or several."""

LIVE = _checks(broker, cluster, permissions, queue, route, workers)
"""What the broker and the workers tell."""


def examine(app: Celery, *, only_static: bool = False) -> list[Finding]:
    """Return what can lose or delay work in ``app``; ``only_static``: without asking the broker.

    Raises :class:`proj.errors.SettingsError` for ``work_queue_*`` settings that are wrong.
    """
    examined = Examined(app)
    found: list[tuple[str, str]] = []
    if not only_static and (examined.is_rabbitmq or examined.is_embedded):
        found += _live(examined)
    # After the broker, which has told its release.
    found += (each for check in STATIC for each in _told(check, examined))
    names = {"queue": examined.settings.name, "app": app.main or "proj"}
    findings = [finding(name, fact, **names) for name, fact in dict.fromkeys(found)]
    return sorted(findings, key=lambda each: SEVERITIES.index(each.severity))


def _live(examined: Examined) -> Iterator[tuple[str, str]]:
    connection = examined.app.connection_for_write()
    url, errors = connection.as_uri(), (*connection.connection_errors, *connection.channel_errors)
    try:
        with reach(examined) as reached:
            for check in LIVE:
                yield from _guarded(check, reached)
    except (AccessRefused, NotAllowed) as error:
        yield "login-refused", f"{url} refuses this account: {_reason(error)}"
    except errors as error:
        yield "broker-unreachable", f"{url} does not answer: {_reason(error)}"


def _guarded(check: Callable[[Any], Any], reached: Reached) -> Iterator[tuple[str, str]]:
    try:
        yield from _told(check, reached)
    except AccessRefused as error:
        yield "permission-missing", _reason(error)
    except ChannelError as error:
        yield "broker-refuses", f"{check.__name__.replace('_', ' ')}: {_reason(error)}"
    except LettersUnreadable as error:
        yield "dead-letter-route-broken", str(error).rstrip(".")
    except ManagementUnavailable as error:
        yield "management-unreadable", f"{error.broker}: {error.reason}"


def _told(check: Callable[[Any], Any], examined: Any) -> Iterator[tuple[str, str]]:
    told = check(examined)
    for fact in [told] if isinstance(told, str) else told or ():
        if fact:
            yield check.__name__.replace("_", "-"), fact


def _reason(error: Any) -> str:
    return str(getattr(error, "reply_text", None) or error) or type(error).__name__

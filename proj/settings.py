"""Our keys in the Celery configuration, validated once, as one frozen object.

A key is looked up in the environment first (``WORK_QUEUE_OWNERSHIP``), then in the Celery
configuration (``work_queue_ownership``), then here. Every problem is reported, not the first one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from proj.errors import SettingsError

__all__ = ["PREFIX", "TASK_OPTIONS", "Settings", "read", "task_option"]

PREFIX = "work_queue_"

Check = Callable[[Any], Any]

KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_[A-Z]+(_\w+)?)?)$")
"""What Kubernetes adds to the environment of every pod beside a service named ``work-queue``."""

TASK_OPTIONS = {"attempts_limit": "count", "dead_letter_failures": "flag", "outbox": "flag"}
"""The options of ``@app.task`` that are ours, and how each is checked."""


@dataclass(frozen=True)
class Settings:
    """What the user may change about the work queue; each field is ``work_queue_<field>``."""

    name: str = field(default="task_queue", metadata={"check": "queue name"})
    """The durable queue; its dead-letter queue is ``<name>.dead_letters``."""

    ownership: str = field(default="arguments", metadata={"check": "ownership"})
    """``arguments``: we declare the queue's properties. ``policy``: a broker policy sets them."""

    type: str = field(default="quorum", metadata={"check": "queue type"})
    """``quorum`` or ``classic`` (RabbitMQ's ``x-queue-type``); not used under ``policy``."""

    plain_message_task: str | None = field(
        default="tasks.messages.process_message", metadata={"check": "text or none"}
    )
    """The task that runs for a message without Celery headers, with its text; None: no task."""

    publish_deadline_seconds: float = field(default=10.0, metadata={"check": "seconds"})
    """How long a publish may take before it raises, whatever the broker does."""

    attempts_limit: int = field(default=5, metadata={"check": "count"})
    """How often a message may be begun before it is dead-lettered."""

    dead_letter_failures: bool = field(default=True, metadata={"check": "flag"})
    """Whether a task that failed for good becomes a dead letter, or is acknowledged."""

    stop_grace_seconds: float = field(default=25.0, metadata={"check": "seconds"})
    """How long running tasks may go on after SIGTERM before their messages go back."""

    stall_seconds: float = field(default=30.0, metadata={"check": "seconds"})
    """How long a worker with an idle process may get nothing from a queue that has messages."""

    runtime_folder: str | None = field(default=None, metadata={"check": "text or none"})
    """Where each worker keeps the file that ``workqueue-health`` reads; None: see proj.health."""

    dead_letters_keep_seconds: float | None = field(
        default=None, metadata={"check": "seconds or none"}
    )
    """How long a dead letter is kept; None: until somebody removes it."""

    dead_letters_keep_count: int | None = field(default=None, metadata={"check": "count or none"})
    """How many dead letters are kept, the newest; None: all."""

    management_url: str | None = field(default=None, metadata={"check": "management url"})
    """RabbitMQ's management API (``http://host:15672``), asked for what AMQP cannot tell."""

    outbox: bool = field(default=True, metadata={"check": "flag"})
    """Whether Django's open transaction keeps the tasks that are sent in it."""

    outbox_database: str | None = field(default=None, metadata={"check": "text or none"})
    """The alias of the one database with an outbox; None: each that Django's routers allow."""

    outbox_publish_seconds: float = field(default=1.0, metadata={"check": "seconds"})
    """How long a commit may wait for the broker before its tasks are left to a relay."""


def read(configuration: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the settings found in ``environment``, else in ``configuration``, else the defaults.

    Raises :class:`SettingsError` with every problem found, unknown keys included.
    """
    names = [each.name for each in fields(Settings)]
    problems = list(_unknown(configuration, environment, names))
    values: dict[str, Any] = {}
    for each in fields(Settings):
        key = PREFIX + each.name
        if key.upper() in environment:
            source, value = key.upper(), environment[key.upper()]
        elif key in configuration:
            source, value = key, configuration[key]
        else:
            continue
        try:
            values[each.name] = CHECKS[each.metadata["check"]](value)
        except ValueError as expectation:
            problems.append(f"  {source}: expected {expectation}, found {_shown(value)!r}")
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def task_option(task: Any, name: str) -> Any:
    """Return the option ``name`` of a Celery task, None where it has none.

    Raises :class:`SettingsError` for a value that cannot work.
    """
    value = getattr(task, name, None)
    try:
        return None if value is None else CHECKS[TASK_OPTIONS[name]](value)
    except ValueError as expectation:
        raise SettingsError(
            [f"  task {task.name}: {name}: expected {expectation}, found {value!r}"]
        ) from None


def _unknown(
    configuration: Mapping[str, Any], environment: Mapping[str, str], names: list[str]
) -> Iterable[str]:
    known = [PREFIX + name for name in names]
    configured = [key for key in configuration if str(key).startswith(PREFIX)]
    exported = [key for key in environment if key.startswith(PREFIX.upper())]
    for key in sorted({*configured, *exported}):
        if key.lower() in known or (key in exported and KUBERNETES.search(key)):
            continue
        near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.0)
        right = near[0].upper() if key in exported else near[0]
        yield f"  {key}: there is no such setting; did you mean {right}?"


def _one_of(*allowed: str) -> Check:
    def check(value: Any) -> str:
        if value not in allowed:
            raise ValueError(" or ".join(repr(each) for each in allowed))
        return str(value)

    return check


def _queue_name(value: Any) -> str:
    # AMQP's short string holds 255 bytes, and the dead-letter queue's name is longer than this one;
    # RabbitMQ keeps the prefix "amq." for itself.
    longest = 255 - len(".dead_letters")
    if not isinstance(value, str) or not value or value.startswith("amq."):
        raise ValueError("a queue name that is text, not empty and not starting with 'amq.'")
    if len(value.encode()) > longest:
        raise ValueError(f"a queue name of at most {longest} bytes")
    return value


def _or_none(check: Check) -> Check:
    def check_unless_none(value: Any) -> Any:
        if value is None or str(value).lower() in ("", "none"):
            return None
        try:
            return check(value)
        except ValueError as expectation:
            raise ValueError(f"{expectation}, or None") from None

    return check_unless_none


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def _shown(value: Any) -> Any:
    """Return ``value`` without the account that a URL may have."""
    return f"**@{value.rpartition('@')[2]}" if isinstance(value, str) and "@" in value else value


def _management_url(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("http://user:password@host:15672")
    return str(value)


def _seconds(value: Any) -> float:
    seconds = _number(value)
    if not 0 < seconds < float("inf"):
        raise ValueError("a number of seconds above 0")
    return seconds


def _count(value: Any) -> int:
    count = _number(value)
    if not count >= 1 or not count.is_integer():
        raise ValueError("a whole number, 1 or more")
    return int(count)


def _number(value: Any) -> float:
    # In the environment everything is text; a flag is no number although Python counts with it.
    try:
        return float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return float("nan")


def _flag(value: Any) -> bool:
    flag = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
    if flag is None:
        raise ValueError("True or False")
    return flag


CHECKS: Mapping[str, Check] = {
    "queue name": _queue_name,
    "ownership": _one_of("arguments", "policy"),
    "queue type": _one_of("quorum", "classic"),
    "text or none": _or_none(_text),
    "seconds": _seconds,
    "seconds or none": _or_none(_seconds),
    "count": _count,
    "count or none": _or_none(_count),
    "flag": _flag,
    "management url": _or_none(_management_url),
}

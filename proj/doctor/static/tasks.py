"""Whether the tasks that are called exist, and have what they need.

What is called is read from the text of the user's own modules; nothing of them is run.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

from celery.exceptions import ImproperlyConfigured

from proj.doctor.examined import Examined
from proj.doctor.finding import Facts, listed
from proj.settings import Settings

__all__ = ["sent_by_name", "tasks"]

BY_NAME = ("send_task", "signature", "Signature")
"""Calls whose first argument is the name of a task."""


def tasks(examined: Examined) -> Facts:
    """Whether the tasks that are called exist, and have what they need."""
    yield "task-module-broken", examined.import_error
    sent, known = sent_by_name(examined).items(), examined.app.tasks
    unknown = [f"{name!r} ({where})" for name, where in sent if name not in known]
    yield "task-unknown", listed(unknown)
    chords = [where for name, where in _calls(examined) if name is None]
    try:
        if chords:
            examined.app.backend.ensure_chords_allowed()
            chords = []
    except (NotImplementedError, ImproperlyConfigured, ImportError):
        pass  # a backend that does not count results
    yield "chord-without-backend", listed(chords)


def sent_by_name(examined: Examined) -> dict[str, str]:
    """Return the names by which tasks are sent, each with where that stands."""
    found: dict[str, str] = {}
    for name, where in _calls(examined):
        if name is not None:
            found.setdefault(name, where)
    for key, entry in (examined.conf.beat_schedule or {}).items():
        if isinstance(entry, dict) and "task" in entry:
            found.setdefault(str(entry["task"]), f"beat_schedule, {key!r}")
    plain = examined.settings.plain_message_task
    # The default names a task of this repository, which another app need not have.
    if plain and plain != Settings().plain_message_task:
        found.setdefault(plain, "work_queue_plain_message_task")
    return found


def _calls(examined: Examined) -> Iterator[tuple[str | None, str]]:
    """Yield the name of each task sent by name, None for a chord, and where: ``shop.views:12``.

    From every loaded module of the packages that the tasks are in.
    """
    packages = {task.__module__.partition(".")[0] for task in examined.tasks.values()}
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in packages:
            yield from _calls_in(module)


def _calls_in(module: ModuleType) -> Iterator[tuple[str | None, str]]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return  # a module without a text
    for node in ast.walk(tree):
        where, name = f"{module.__name__}:{getattr(node, 'lineno', 0)}", _called(node)
        # group(...) | task is a chord too.
        is_chain = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
        if name == "chord" or (is_chain and _called(node.left) == "group"):  # type: ignore[attr-defined] # a BinOp
            yield None, where
        elif name in BY_NAME and isinstance(node, ast.Call) and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value, where


def _called(node: ast.AST) -> str | None:
    """Return the name that ``node`` calls: ``chord`` in ``celery.chord(...)``."""
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Name):
        return called.id
    return called.attr if isinstance(called, ast.Attribute) else None

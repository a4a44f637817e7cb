"""What the user's own modules call: tasks by name, and chords. Read from their text, not run."""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import dataclass, field
from types import ModuleType

from proj.doctor.examined import Examined

__all__ = ["Calls", "calls_of"]

BY_NAME = ("send_task", "signature", "Signature")
"""Calls whose first argument is the name of a task."""


@dataclass
class Calls:
    """What was found, each with where it stands (``shop.views:12``)."""

    sent: dict[str, str] = field(default_factory=dict)
    chords: list[str] = field(default_factory=list)


def calls_of(examined: Examined) -> Calls:
    """Return the calls in every loaded module of the packages that the tasks are in."""
    packages = {task.__module__.partition(".")[0] for task in examined.tasks.values()}
    calls = Calls()
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in packages:
            _read(module, calls)
    return calls


def _read(module: ModuleType, calls: Calls) -> None:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return  # a module without a text
    for node in ast.walk(tree):
        where = f"{module.__name__}:{getattr(node, 'lineno', 0)}"
        name = _called(node)
        # group(...) | task is a chord too.
        is_chain = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
        if name == "chord" or (is_chain and _called(node.left) == "group"):  # type: ignore[attr-defined] # a BinOp
            calls.chords.append(where)
        elif name in BY_NAME and isinstance(node, ast.Call) and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                calls.sent.setdefault(first.value, where)


def _called(node: ast.AST) -> str | None:
    """Return the name that ``node`` calls: ``chord`` in ``celery.chord(...)``."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else None

"""Finds in a task message what Celery would choke on later, in the pool or in the event loop."""

from __future__ import annotations

from typing import Any

__all__ = ["problem_of"]


def problem_of(request: Any) -> str | None:
    """Return what is wrong with the headers or the body of ``request`` (Celery's), None if nothing.

    Stock Celery takes a message whose keyword arguments are no mapping for a success.
    """
    if not isinstance(request.id, str) or not request.id:
        return f"its id is no text: {request.id!r}"
    if not isinstance(request.name, str):
        return f"its name is no text: {request.name!r}"
    if not isinstance(request.args, (list, tuple)):
        return f"its arguments are no list: {type(request.args).__name__}"
    if not isinstance(request.kwargs, dict):
        return f"its keyword arguments are no mapping: {type(request.kwargs).__name__}"
    options = request._payload[2]  # noqa: SLF001 - where Celery keeps callbacks and chord
    if options is not None and not isinstance(options, dict):
        return f"its options are no mapping: {type(options).__name__}"
    return _time_limit_problem(request.time_limits)


def _time_limit_problem(limits: Any) -> str | None:
    if not isinstance(limits, (list, tuple)) or len(limits) != 2:  # noqa: PLR2004 - hard and soft
        return f"its time limits are no pair: {limits!r}"
    for limit in limits:
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, (int, float))):
            return f"its time limit is no number: {limit!r}"
    return None

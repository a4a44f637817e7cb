"""Lets ``celery control time_limit`` have an effect."""

from __future__ import annotations

from typing import Any

from celery.worker import control

__all__ = ["time_limit"]


@control.control_command(
    args=[("task_name", str), ("soft", float), ("hard", float)],
    signature="<task_name> <soft_secs> [hard_secs]",
)
def time_limit(
    state: Any,
    task_name: str | None = None,
    hard: float | None = None,
    soft: float | None = None,
    **_: Any,
) -> dict[str, str]:
    """Change the time limits (seconds) of a task, for the messages received from now on."""
    answer: dict[str, str] = control.time_limit(state, task_name=task_name, hard=hard, soft=soft)
    # Celery notes them on the task only, and has built the handling of its messages before.
    state.consumer.update_strategies()
    return answer

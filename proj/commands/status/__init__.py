"""``workqueue status``: what waits, what runs, where, and what needs a person."""

from __future__ import annotations

from proj.commands.status.command import status

__all__ = ["status"]

"""The work queue that loses nothing, for Celery on RabbitMQ.

Importing this package opens no file and no connection, and makes no Celery app: every public name
is loaded when it is first used. So ``from proj import plugin`` leaves another team's app alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proj import dead_letters, errors, plugin
    from proj.celery import app
    from proj.publishing.many import publish_many

__all__ = ["app", "dead_letters", "errors", "plugin", "publish_many"]

_HOME = {"app": "proj.celery", "publish_many": "proj.publishing.many"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    return import_module(f"{__name__}.{name}")

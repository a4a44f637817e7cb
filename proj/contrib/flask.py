"""The work queue of a Flask application: its configuration, and its context around every task.

>>> from proj.contrib.flask import init_app
>>> celery_app = init_app(flask_app)

The worker of ``shop.py`` is ``celery -A shop:celery_app worker``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery, _state
from flask import Flask, current_app, has_app_context

from proj import plugin, settings
from proj.errors import SettingsError
from proj.publishing.task import Task as WorkQueueTask

__all__ = ["Task", "init_app"]

CELERY_PREFIX = "celery_"


class Task(WorkQueueTask):
    """A task that a worker runs inside the application context; the base for bases of your own."""

    abstract = True

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the task; what the context's teardown raises is the failure of the task."""
        if self.request.called_directly:
            # A plain call of a function, in whatever context its caller has.
            return super().__call__(*arguments, **options)
        with self.app.flask_app.app_context():
            return self.run(*arguments, **options)


def init_app(app: Flask) -> Celery:
    """Make the Celery app of ``app``, with the plug-in, as ``app.extensions["celery"]``.

    ``app.config`` is read when the Celery app is first used: Celery's settings from the mapping
    ``CELERY`` (in small letters, as in Flask's documentation), and from keys ``CELERY_...`` and
    ``WORK_QUEUE_...``, which go before it. Raises :class:`proj.errors.SettingsError` then, for
    settings that cannot work.
    """
    celery_app = Celery(app.name, task_cls=Task)
    celery_app.flask_app = app
    celery_app.add_defaults(lambda: _configuration(app.config))
    plugin.install(celery_app)
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


def _configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return Celery's settings in ``config``, under Celery's own names."""
    mapping = config.get("CELERY") or {}
    if not isinstance(mapping, Mapping):
        raise SettingsError(
            [f"  CELERY: expected a mapping of settings, found {type(mapping).__name__}"]
        )
    found = {str(name).lower(): value for name, value in mapping.items()}
    for key, value in config.items():
        name = key.lower()
        if name.startswith((CELERY_PREFIX, settings.PREFIX)):
            found[name.removeprefix(CELERY_PREFIX)] = value
    return found


def _current(local: Any) -> Any:
    """Return the Celery app of the Flask context, else the thread's.

    So a shared task belongs to the application in whose context it is called, in the thread of an
    asynchronous view too; without a context, to the one that was made last.
    """
    in_context = current_app.extensions.get("celery") if has_app_context() else None
    return in_context or vars(local).get("current_app")


def _set_current(local: Any, app: Any) -> None:
    vars(local)["current_app"] = app


_state._TLS.current_app = property(_current, _set_current)  # noqa: SLF001 - Celery has no hook for it

"""The work queue of a Flask application: its configuration, and its context around every task.

>>> from proj.contrib.flask import init_app
>>> celery_app = init_app(flask_app)

The worker of ``shop.py`` is ``celery -A shop:celery_app worker``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery, _state
from flask import Flask, appcontext_popped, appcontext_pushed, current_app, has_app_context

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
        raise SettingsError([f"  CELERY: expected a mapping of settings, found {mapping!r}"])
    found = {str(name).lower(): value for name, value in mapping.items()}
    for key, value in config.items():
        name = key.lower()
        if name.startswith((CELERY_PREFIX, settings.PREFIX)):
            found[name.removeprefix(CELERY_PREFIX)] = value
    return found


def _select_celery_app(*_: Any, **__: Any) -> None:
    """Let a shared task belong to the Flask application in whose context it is called.

    Without a context, it belongs to the one that was made last.
    """
    extensions = current_app.extensions if has_app_context() else {}
    _state._set_current_app(extensions.get("celery"))  # noqa: SLF001 - set_current() cannot take none


appcontext_pushed.connect(_select_celery_app)
appcontext_popped.connect(_select_celery_app)

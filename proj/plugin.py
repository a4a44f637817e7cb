"""Makes any Celery app a work queue: late acknowledgement, prefetch of one, nothing dropped.

>>> from proj import plugin
>>> plugin.install(app)
"""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import Celery

from proj import configuration, embedded
from proj.publishing.send_task import SendTask

__all__ = ["install"]


def install(app: Celery) -> None:
    """Give ``app`` the work queue's configuration, publishing and worker.

    Call it once, before or after the app is configured; a second call changes nothing. What the
    app's own configuration sets stays as it is. Raises :class:`proj.errors.SettingsError`, here or
    when the configuration is first read, for ``work_queue_*`` settings that are wrong.
    """
    embedded.register()
    app.amqp_cls = "proj.publishing.amqp:AMQP"
    vars(app).pop("amqp", None)  # cached, where the app has published before
    if app.task_cls == Celery.task_cls:
        app.task_cls = "proj.publishing.task:Task"
    if not isinstance(app.send_task, SendTask):
        app.send_task = SendTask(app)
    configuration.supply(app)
    app.__reduce__ = partial(_reduce, app)


def _reduce(app: Celery) -> tuple[Any, ...]:
    """Pickle ``app`` as Celery does, to be installed anew."""
    return _rebuild, vars(Celery)["__reduce__"](app)


def _rebuild(build: Any, arguments: Any) -> Celery:
    app: Celery = build(*arguments)
    install(app)
    return app

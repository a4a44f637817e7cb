"""Makes any Celery app a work queue: late acknowledgement, prefetch of one, nothing dropped.

>>> from proj import plugin
>>> plugin.install(app)
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from proj import configuration, embedded
from proj.publishing.send_task import SendTask

__all__ = ["install"]

TASKS = {
    Celery.task_cls: "proj.publishing.task:Task",
    "celery.contrib.django.task:DjangoTask": "proj.contrib.django.task:Task",
}
"""The base class of Celery's own -> ours; an app's own base class stays as it is."""


def install(app: Celery) -> None:
    """Give ``app`` the work queue's configuration, publishing and worker.

    Call it once, before or after the app is configured; a second call changes nothing. What the
    app's own configuration sets stays as it is. Raises :class:`proj.errors.SettingsError`, here or
    when the configuration is first read, for ``work_queue_*`` settings that are wrong.
    """
    embedded.register()
    app.amqp_cls = "proj.publishing.amqp:AMQP"
    vars(app).pop("amqp", None)  # cached, where the app has published before
    app.task_cls = TASKS.get(app.task_cls, app.task_cls)
    if not isinstance(app.send_task, SendTask):
        app.send_task = SendTask(app)
    configuration.supply(app)
    app.__reduce__ = lambda: (_rebuild, vars(Celery)["__reduce__"](app))


def _rebuild(build: Any, arguments: Any) -> Celery:
    """Unpickle an app as Celery does, and install it anew."""
    app: Celery = build(*arguments)
    install(app)
    return app

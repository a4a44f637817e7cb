"""Messages of one call, made from a template and by Celery."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import Celery

from proj import plugin
from proj.publishing.task_message import TaskMessage, compose

TASK_ID = "8bf3bd9c-0d1b-4ef0-9e39-0d1b4ef09e39"


def make_app(**configuration: Any) -> Celery:
    """Return an app with the plug-in, a task, and no broker that would answer."""
    app = Celery("messages", broker="amqp://127.0.0.1:1//", set_as_current=False)
    app.conf.update(task_create_missing_queues=True, **configuration)
    plugin.install(app)

    @app.task(shared=False, name="echo", typing=False)
    def echo(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    return app


def by_template(app: Celery, args: Any, kwargs: Any, **options: Any) -> TaskMessage | None:
    """Return the message that the template of an earlier call makes, None where Celery must."""
    templates, task = app.send_task.templates, app.tasks["echo"]
    templates.message(task, ("another",), {"call": 1}, None, dict(options))
    made: TaskMessage | None = templates.message(task, args, kwargs, TASK_ID, options)
    return made


def by_celery(app: Celery, args: Any, kwargs: Any, **options: Any) -> TaskMessage:
    """Return the message that Celery alone makes."""
    call = app.tasks["echo"].apply_as_celery
    (message,) = compose(app, partial(call, args, kwargs, task_id=TASK_ID, **options))
    return message

"""Connects Django with the project's Celery app as Django starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import _state
from django.apps import AppConfig

from proj import plugin

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["WorkQueueConfig", "celery_app"]


class WorkQueueConfig(AppConfig):
    """The Django app; Celery's own Django support keeps database connections around tasks."""

    name = "proj.contrib.django"
    label = "work_queue"
    verbose_name = "Work queue"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the project's Celery app a work queue with an outbox, relayed by its workers."""
        from proj.contrib.django.outbox import Outbox  # noqa: PLC0415 - models: not before ready()
        from proj.contrib.django.worker import OutboxRelay  # noqa: PLC0415 - as above

        app = celery_app()
        plugin.install(app)
        app.send_task.outbox = Outbox(app)
        app.steps["worker"].add(OutboxRelay)


def celery_app() -> Celery:
    """Return the app that the project has made, usually in its ``celery.py``; else ``proj``'s."""
    # Celery's current_app would make an app without any configuration where there is none.
    made = _state._tls.current_app or _state.default_app  # noqa: SLF001 - as above
    if made is None:
        from proj.celery import app as made  # noqa: PLC0415 - it reads Django's settings
    return made

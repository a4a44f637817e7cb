"""An app of the project's own, as Celery's documentation has it, and one line of ours."""

from __future__ import annotations

from celery import Celery

from proj import plugin

app = Celery("site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
plugin.install(app)

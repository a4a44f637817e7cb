"""The app that ``celery -A proj`` finds."""

from __future__ import annotations

import os

from celery import Celery

from proj import plugin

app = Celery("proj")
if "DJANGO_SETTINGS_MODULE" in os.environ:
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
else:
    app.config_from_object("celeryconfig")
plugin.install(app)

"""The app that ``celery -A proj`` finds."""

from __future__ import annotations

from celery import Celery

from proj import plugin

app = Celery("proj")
app.config_from_object("celeryconfig")
plugin.install(app)

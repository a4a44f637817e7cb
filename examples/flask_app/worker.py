"""The Celery app for the command line: ``celery -A examples.flask_app.worker worker``."""

from __future__ import annotations

from examples.flask_app.app import create_app

celery = create_app().extensions["celery"]

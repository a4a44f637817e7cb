"""Django's settings, as few as a site can have."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(os.environ.get("SITE_FOLDER", "instance")).resolve()
FOLDER.mkdir(exist_ok=True)

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "for this machine only")
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "examples.django_site.urls"
INSTALLED_APPS = ["proj.contrib.django", "examples.django_site.parcels"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "site.db",
        "ATOMIC_REQUESTS": True,  # so a request's row and its task are one: both, or neither
        # Writers wait for each other, and readers for nobody.
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode = WAL",
        },
    }
}

# The environment variable CELERY_BROKER_URL goes before this.
CELERY_BROKER_URL = f"sqlite:///{FOLDER / 'django_queue.db'}"
WORK_QUEUE_PLAIN_MESSAGE_TASK = None

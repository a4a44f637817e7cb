"""The project's settings; nothing of ours but one line in INSTALLED_APPS."""

from __future__ import annotations

import json
import os

import pymysql

# Django asks for mysqlclient, which no wheel exists of; PyMySQL speaks in its name.
pymysql.version_info = (2, 2, 8, "final", 0)
pymysql.install_as_MySQLdb()

SECRET_KEY = "of a test"  # noqa: S105 - guards nothing
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.support.django_site.urls"
DATABASES = json.loads(os.environ["TEST_DATABASES"])
DATABASES["default"]["ATOMIC_REQUESTS"] = True
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "proj.contrib.django",
    "tests.support.django_site.shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Their tables are made at once: their history is not what is tested.
MIGRATION_MODULES = dict.fromkeys(("auth", "admin", "contenttypes"))
DATABASE_ROUTERS = json.loads(os.environ.get("TEST_DATABASE_ROUTERS", "[]"))

CELERY_RESULT_BACKEND = os.environ.get("TEST_RESULT_BACKEND")
CELERY_TASK_SEND_SENT_EVENT = True
WORK_QUEUE_OUTBOX_PUBLISH_SECONDS = 0.5

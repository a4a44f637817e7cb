"""A Django site that has its parcels packed by the work queue: `make django` runs it."""

from __future__ import annotations

from examples.django_site.celery import app as celery_app

__all__ = ["celery_app"]

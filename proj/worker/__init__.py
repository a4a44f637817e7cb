"""Celery's worker, driven so that no message is dropped."""

"""The base of the tasks of an app that Celery has found to be Django's."""

from __future__ import annotations

from celery.contrib.django.task import DjangoTask

from proj.publishing.task import Task as WorkQueueTask

__all__ = ["Task"]


class Task(WorkQueueTask, DjangoTask):
    """The work queue's task, with Celery's ``delay_on_commit`` for Django."""

    abstract = True

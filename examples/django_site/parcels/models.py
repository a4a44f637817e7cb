"""A parcel, and what became of it."""

from __future__ import annotations

from django.db import models

__all__ = ["Parcel"]


class Parcel(models.Model):
    """The row and the task that packs it are made in one transaction."""

    id = models.BigAutoField(primary_key=True)
    address = models.CharField(max_length=200)
    state = models.CharField(max_length=10, default="waiting")
    """waiting, in work, done or dead"""
    reason = models.TextField(default="", blank=True)
    task_id = models.CharField(max_length=36)

    def __str__(self) -> str:
        return f"{self.address}: {self.state}"

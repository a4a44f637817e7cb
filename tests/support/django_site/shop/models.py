"""What the shop keeps."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """A row that is written in the same transaction as its task."""

    number = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.number

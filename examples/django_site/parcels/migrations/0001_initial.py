"""The table of parcels."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates it."""

    initial = True

    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="Parcel",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("address", models.CharField(max_length=200)),
                ("state", models.CharField(default="waiting", max_length=10)),
                ("reason", models.TextField(blank=True, default="")),
                ("task_id", models.CharField(max_length=36)),
            ],
        ),
    ]

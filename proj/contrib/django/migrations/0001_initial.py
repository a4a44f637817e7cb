"""The table of outbox messages."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates it; nothing refers to it."""

    initial = True

    dependencies: ClassVar[list[tuple[str, str]]] = []

    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="OutboxMessage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task_id", models.CharField(max_length=255)),
                ("exchange", models.CharField(blank=True, max_length=255)),
                ("routing_key", models.CharField(max_length=255)),
                ("headers", models.TextField()),
                ("properties", models.TextField()),
                ("body", models.BinaryField()),
                ("created", models.DateTimeField()),
                ("retry_at", models.DateTimeField()),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("error", models.TextField(blank=True)),
            ],
            options={"verbose_name": "outbox message"},
        ),
    ]

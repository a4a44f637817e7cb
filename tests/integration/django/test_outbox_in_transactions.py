"""What Django promises of transactions holds for the tasks that are sent in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.django_project import DjangoProject

pytestmark = pytest.mark.own_machine


def test_a_task_lives_and_dies_with_its_transaction(
    database: dict[str, Any], new_database: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    """Django's own runner, on each database: ``tests/support/django_site/shop/tests*.py``."""
    databases = {"default": database, "other": new_database("sqlite")}
    project = DjangoProject(databases, f"sqlite:///{tmp_path}/task_queue.db", tmp_path)

    said = project.manage("test", "tests.support.django_site.shop")

    assert "Ran 25 tests" in said


def test_the_migrations_are_those_of_the_model(tmp_path: Path) -> None:
    """A project that makes its own migrations gets none for the outbox."""
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "site.db")}
    project = DjangoProject({"default": database}, f"sqlite:///{tmp_path}/q.db", tmp_path)

    assert "No changes" in project.manage("makemigrations", "--check", "work_queue")

"""What ``doctor`` reads in the modules of the user: tasks sent by name, and chords."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from celery import Celery

from tests.support.doctor_scene import app_with, facts, names

PACKAGE = "shop_of_the_doctors_test"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder of an empty package that can be imported."""
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield package
    for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def app_of(folder: Path, text: str, **configuration: object) -> Celery:
    """Return an app whose tasks stand in that package, beside a module with ``text``."""
    (folder / "views.py").write_text(dedent(text))
    importlib.import_module(f"{PACKAGE}.views")
    app = app_with(configuration)
    app.tasks["shop.pack"].__module__ = f"{PACKAGE}.tasks"
    return app


@pytest.mark.parametrize(
    "text",
    ['app.send_task("shop.wrap")', 'signature("shop.wrap", (1,))', 'f(Signature("shop.wrap"))'],
)
def test_a_task_that_is_sent_by_a_name_that_no_module_has_is_found(folder: Path, text: str) -> None:
    """The name is told with the line that sends it; it ends with a task of that name."""
    app = app_of(folder, f"def view():\n    {text}\n")

    assert facts(app, "task-unknown") == [
        f"No module of this app has a task 'shop.wrap' ({PACKAGE}.views:2)."
    ]

    @app.task(name="shop.wrap", shared=False)
    def wrap() -> None:
        """Do nothing."""

    assert "task-unknown" not in names(app)


@pytest.mark.parametrize("text", ["celery.chord([])(body)", "chord(x)", "group([]) | body"])
def test_a_chord_without_a_backend_is_found(folder: Path, text: str) -> None:
    """Neither no backend nor ``rpc://`` counts results; a database does."""
    text = f"def view():\n    {text}\n"

    assert facts(app_of(folder, text), "chord-without-backend") == [
        f"{PACKAGE}.views:2 makes a chord, and the result backend knows none."
    ]
    assert "chord-without-backend" in names(app_of(folder, text, result_backend="rpc://"))
    backend = f"file://{folder}"
    assert "chord-without-backend" not in names(app_of(folder, text, result_backend=backend))


def test_a_module_that_cannot_be_read_is_passed_over(folder: Path) -> None:
    """A module without a text, such as an extension, is no reason to fail."""
    app = app_of(folder, "x = 1\n")
    (folder / "views.py").write_text("def (:\n")
    importlib.import_module("linecache").checkcache()

    assert names(app) == set()

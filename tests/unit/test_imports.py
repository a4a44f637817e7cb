"""What importing the package does, and which way its modules import each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import proj

PACKAGE = Path(proj.__file__).parent

LAYERS = (
    ("commands", "contrib", "producer", "celery", "plugin"),
    ("doctor", "worker"),
    ("settlement", "pause"),
    ("dead_letters",),
    ("publishing",),
    ("configuration",),
    ("topology",),
    ("broker",),
    ("settings", "errors", "embedded", "health"),
)
"""From the top down: a module imports from its own layer or from one below it, never from above."""


def test_imports_point_one_way() -> None:
    """No module imports from a layer above its own, and every module has a layer."""
    height = {name: -depth for depth, names in enumerate(LAYERS) for name in names}
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        home = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if home in ("__init__", "embedded"):
            continue
        wrong += [
            f"{path.relative_to(PACKAGE)} imports proj.{used}"
            for used in _imported(path)
            if height[used] > height[home]
        ]

    assert not wrong


def test_the_embedded_broker_knows_nothing_of_the_rest() -> None:
    """``proj.embedded`` could be lifted out: it imports nothing else of this package."""
    used = {name for path in (PACKAGE / "embedded").rglob("*.py") for name in _imported(path)}

    assert used <= {"embedded"}


def test_importing_the_package_makes_no_celery_app() -> None:
    """``from proj import plugin`` leaves another team's current app alone."""
    program = (
        "from celery import Celery, current_app; theirs = Celery('theirs');"
        "from proj import plugin; plugin.install(theirs);"
        "assert current_app._get_current_object() is theirs;"
        "import sys; assert 'proj.celery' not in sys.modules"
    )
    _run(program)


def test_a_worker_on_rabbitmq_loads_no_sqlite() -> None:
    """Its memory is counted in each of its processes."""
    _run("import sys, proj.worker.consumer; assert 'sqlite3' not in sys.modules")


def _run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def _imported(path: Path) -> Iterator[str]:
    """Yield the first part below ``proj`` of every module that ``path`` imports at run time."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "proj" and len(parts) > 1 and parts[1] != "app":
                yield parts[1]

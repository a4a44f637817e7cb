"""What is handed out: the wheel beside another team's app, and the source distribution."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.waiting import wait_until
from tests.support.worker import ROOT, Worker

pytestmark = pytest.mark.own_machine

THEIR_APP = """
from celery import Celery
from proj import plugin

app = Celery("shop")
app.conf.work_queue_plain_message_task = "shop.pack"
plugin.install(app)


@app.task(name="shop.pack")
def pack(parcel):
    print(f"packed {parcel}")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution of this clone, and the wheel that this one builds."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what it needs, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run(
        [folder / "bin/python", "-m", "pip", "install", "--quiet", wheel],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    return folder / "bin/python"


def test_the_wheel_ships_the_package_alone(wheel: Path) -> None:
    """``tasks`` and ``celeryconfig`` belong to the user, and are not in the wheel."""
    top = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {name for name in top if not name.endswith(".dist-info")} == {"proj"}


def test_the_source_distribution_is_a_whole_clone(built: Path, tmp_path: Path) -> None:
    """Every file that its pages link to and its Dockerfile copies is there, and ``make`` works."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (clone,) = tmp_path.iterdir()
    pages = [*clone.glob("*.md"), *clone.glob("docs/*.md")]
    linked = {
        page.parent / target
        for page in pages
        for target in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", page.read_text())
    }
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (clone / "Dockerfile").read_text(), re.MULTILINE)
    named = linked | {clone / name for line in copied for name in line.split()}
    assert len(named) > 30
    assert [path for path in named if not path.exists()] == []

    targets = ["env", "demo", "flask", "django", "test", "test-containers", "chaos", "benchmarks"]
    subprocess.run(["make", "--dry-run", *targets], cwd=clone, check=True, capture_output=True)
    for name in ("examples/demo", "examples/flask_app", "examples/django_site", "tests/chaos"):
        assert (clone / name).is_dir()
    for name in ("docker-compose.yml", "docker-compose.cluster.yml", "flowerconfig.py"):
        assert (clone / name).is_file()


def test_another_teams_app_becomes_a_work_queue(
    python: Path, broker: Broker, tmp_path: Path
) -> None:
    """Two lines in another team's app, with nothing of ours in its layout, and it is a work queue.

    Its task runs for ``delay`` and for a plain message; its queue is quorum, with dead letters.
    """
    (tmp_path / "shop.py").write_text(THEIR_APP)
    environment = {**os.environ, "CELERY_BROKER_URL": broker.url, "PYTHONPATH": ""}
    with Worker(
        "shop", broker.url, tmp_path, app="shop", run_from=tmp_path, python=python
    ) as worker:
        worker.wait_ready()
        subprocess.run(
            [python, "-c", "import shop; shop.pack.delay('parcel 1')"],
            cwd=tmp_path,
            env=environment,
            check=True,
        )
        with broker.connect() as connection:
            connection.channel().basic_publish("", "task_queue", b"parcel 2")

        wait_until(
            worker.log,
            lambda log: "packed parcel 1" in log and "packed parcel 2" in log,
            what="both parcels are packed",
        )
    assert broker.queue()["arguments"]["x-queue-type"] == "quorum"
    assert broker.queue("task_queue.dead_letters")


def test_importing_the_package_needs_nothing_but_python(python: Path) -> None:
    """``import proj`` loads neither Celery nor Kombu nor sqlite3: it costs a command nothing."""
    program = (
        "import sys, proj;"
        "print([name for name in ('celery', 'kombu', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"

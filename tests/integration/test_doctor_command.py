"""``workqueue doctor`` as a process: what it declares, and on which apps and brokers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.doctor_scene import virtual_host
from tests.support.rabbitmq import RabbitMQ
from tests.support.worker import ROOT

pytestmark = pytest.mark.own_machine


@pytest.fixture(scope="module")
def url(node: RabbitMQ) -> Iterator[str]:
    """Give the URL of one virtual host for all tests of this file."""
    with virtual_host(node) as own:
        yield own


def run(
    *options: str, app: str = "proj", folder: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command with ``options``, from ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", app, "workqueue", "doctor", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_fix_declares_what_is_missing_and_says_what_it_does_not(url: str) -> None:
    """The first run declares, the second has nothing left to declare; what is left is told."""
    options = ("--fix", "--ignore", "time-limit-missing", "--ignore", "default-credentials")
    first = run(*options, CELERY_BROKER_URL=url)
    second = run(*options, "--json", CELERY_BROKER_URL=url)

    assert first.returncode == 1, first.stderr
    assert first.stdout.startswith("Declared and bound: 'task_queue', 'task_queue.dead_letters', ")
    assert "--fix declares and binds what is missing. It changes no setting" in first.stdout
    assert "Not looked at, for want of work_queue_management_url" in first.stdout
    told = json.loads(second.stdout)
    assert told["fixed"] == []
    assert [each["name"] for each in told["findings"]] == ["no-consumer"]


def test_an_app_without_the_plug_in_is_examined_too(tmp_path: Path, url: str) -> None:
    """Stock Celery's own values, and its queues, are what is looked at; live too."""
    (tmp_path / "shop.py").write_text("from celery import Celery\napp = Celery('shop')\n")

    done = run("--json", app="shop", folder=tmp_path, CELERY_BROKER_URL=url)

    assert done.returncode == 1, done.stderr
    names = {each["name"] for each in json.loads(done.stdout)["findings"]}
    assert {
        "auto-created-queues",
        "confirms-off",
        "delays-in-memory",
        "early-acknowledgement",
        "mandatory-off",
        "plug-in-missing",
        "prefetch-above-one",
    } <= names


def test_a_broker_file_is_examined(tmp_path: Path) -> None:
    """The embedded broker has the same command; nothing is found once a fix has declared."""
    url = f"sqlite:///{tmp_path / 'task_queue.db'}"

    done = run("--fix", "--json", CELERY_BROKER_URL=url)

    told = json.loads(done.stdout)
    assert told["fixed"] == ["'task_queue'", "'task_queue.dead_letters'"]
    assert [each["name"] for each in told["findings"]] == ["no-consumer", "time-limit-missing"]

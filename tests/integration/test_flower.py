"""Flower on each broker: its login, its API, and its pages in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from playwright.sync_api import Page

from proj import plugin
from tests.integration.conftest import AnyBroker, WorkerFactory
from tests.support.broker import Broker
from tests.support.browser import browse
from tests.support.flower import Flower
from tests.support.producer import run_producer
from tests.support.waiting import wait_until
from tests.support.worker import ROOT

QUEUES = ("task_queue", "task_queue.dead_letters")
SHOWN = ("FAILURE", "SUCCESS", "STARTED", "(7,)", "('Message 0',)")


@pytest.fixture
def flower(any_broker: AnyBroker, tmp_path: Path) -> Iterator[Flower]:
    """Flower on ``any_broker``, with the management API where there is one."""
    environment = {}
    if isinstance(any_broker, Broker):
        root = any_broker.management.root.replace("//", "//guest:guest@")
        environment["FLOWER_BROKER_API"] = f"{root}/"
    with Flower(any_broker.url, tmp_path, **environment) as running:
        yield running


@pytest.mark.own_machine
def test_flower_does_not_start_without_a_login() -> None:
    """Our configuration refuses, says what to set, and shows no traceback."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("FLOWER_")}
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "proj", "flower", "--port=0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "Set FLOWER_BASIC_AUTH=user:password" in done.stderr
    assert "Traceback" not in done.stderr


def test_each_page_shows_what_the_work_queue_does(
    any_broker: AnyBroker, flower: Flower, workers: WorkerFactory, tmp_path: Path
) -> None:
    """Workers, tasks with states and arguments, one task, and both queues, behind the login.

    One message fails and becomes a dead letter, one has run, one is at work.
    """
    worker = workers("red", any_broker.url)
    app = Celery("producer", broker=any_broker.url)
    plugin.install(app)
    failing = app.send_task("tasks.messages.process_message", args=(7,))
    run_producer("Message 0", "At work" + "." * 60, broker_url=any_broker.url)
    wait_until(
        lambda: sorted(flower.api.tasks().values()),
        lambda states: states == ["FAILURE", "STARTED", "SUCCESS"],
        what="Flower knows all three tasks",
    )

    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(flower.api.url, timeout=10)
    with browse(flower.api.url, flower.api.login, tmp_path) as show:
        show("/", "workers", f"text={worker.node}", "text=Online")
        show(f"/worker/{worker.node}#tab-queues", "worker", "#tab-queues.show >> text=task_queue")
        show("/tasks", "tasks", *(f"#tasks-table >> text={text}" for text in SHOWN))
        show(f"/task/{failing.id}", "task", "text=AttributeError")
        # RabbitMQ's management API counts a queue some time after it is made.
        wait_until(
            lambda: waiting_on(show("/broker", "broker", "text=task_queue.dead_letters")),
            lambda waiting: waiting == {"task_queue": "0", "task_queue.dead_letters": "1"},
            what="the broker page shows what waits in both queues",
        )


def waiting_on(page: Page) -> dict[str, str]:
    """Return what the broker page says to wait in each queue."""
    return {name: page.inner_text(f"[id='{name}'] td:nth-child(4)") for name in QUEUES}

"""The promise of the outbox, with the web process killed and the broker going away."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.exceptions import AMQPConnectionError

from tests.support.django_project import DjangoProject
from tests.support.rabbitmq_node import RabbitMQNode
from tests.support.waiting import wait_until
from tests.support.worker import ROOT

pytestmark = pytest.mark.own_machine

SEED = 8
KILLS = 200
DATABASES = ("sqlite", "postgresql", "mariadb")
ORDERS = """
from django.db import connections
from tests.support.django_site.shop.models import Order
from proj.contrib.django.models import OutboxMessage
for alias in connections:
    print("left", OutboxMessage.objects.using(alias).count())
    for order in Order.objects.using(alias).values_list("number", flat=True):
        print("order", order)
"""


@pytest.mark.timeout(240)
def test_committed_tasks_run_and_rolled_back_ones_never(
    new_database: Callable[[str], dict[str, Any]], own_node: RabbitMQNode, tmp_path: Path
) -> None:
    """200 web processes are killed around COMMIT on three databases, and the broker is stopped.

    Every order in a database is packed, and no other.
    """
    databases = dict(zip(("default", *DATABASES[1:]), map(new_database, DATABASES), strict=True))
    project = DjangoProject(databases, own_node.url(), tmp_path)
    with project.worker("packing") as worker:
        worker.wait_ready()
        with killing(project, SEED, KILLS // 2) as going_away:
            wait_for_kills(going_away, KILLS // 8)
            own_node.control("stop_app")
        prove_down(own_node)
        with killing(project, SEED + 1, KILLS // 4) as down:
            pass
        prove_down(own_node)
        with killing(project, SEED + 2, KILLS // 4) as coming_back:
            own_node.control("start_app")

        points = Counter(killed(going_away) + killed(down) + killed(coming_back))
        assert sum(points.values()) == KILLS
        assert min(points[each] for each in ("begun", "written", "committed", "published")) >= 3

        wait_until(
            lambda: unpacked(project),
            lambda seen: seen == ([], []),
            what="every committed order is packed, and the outbox is empty",
            timeout_seconds=60,
            interval_seconds=1,
        )

    packed = project.ledger.count("packed")
    assert not [number for number in packed if number.startswith("rolled-back")]
    assert set(packed) == set(orders(project)[0])
    assert len(packed) > KILLS


@contextmanager
def killing(project: DjangoProject, seed: int, count: int) -> Iterator[Path]:
    """Kill ``count`` processes beside the block, to the last; give the file of their lines."""
    output = project.folder / f"killed-{seed}"
    with output.open("wb") as file, output.with_suffix(".log").open("wb") as log:
        processes = subprocess.Popen(
            [sys.executable, "-m", "tests.support.django_site.killed", str(seed), str(count)],
            env=project.environment(None, WORK_QUEUE_OUTBOX_PUBLISH_SECONDS="0.3"),
            cwd=ROOT,
            stdout=file,
            stderr=log,
        )
    try:
        yield output
        assert processes.wait(90) == 0, output.with_suffix(".log").read_text()
    finally:
        processes.kill()


def killed(output: Path) -> list[str]:
    """Return the last point that each killed process had passed."""
    return output.read_text().split()


def wait_for_kills(output: Path, count: int) -> None:
    """Return once ``count`` processes have been killed."""
    wait_until(
        lambda: len(killed(output)),
        lambda seen: seen >= count,
        what=f"{count} processes are killed",
        timeout_seconds=90,
    )


def prove_down(node: RabbitMQNode) -> None:
    """Assert that the broker takes no connection."""
    with pytest.raises(AMQPConnectionError):
        pika.BlockingConnection(pika.URLParameters(node.url()))


def orders(project: DjangoProject) -> tuple[list[str], list[str]]:
    """Return the committed orders, and how many messages are left in each outbox that has some."""
    said = [line.split() for line in project.manage("shell", "-c", ORDERS).splitlines()]
    committed = [line[1] for line in said if line[:1] == ["order"]]
    return committed, [line[1] for line in said if line[:1] == ["left"] and line[1] != "0"]


def unpacked(project: DjangoProject) -> tuple[list[str], list[str]]:
    """Return the committed orders that are not packed, and what is left in the outboxes."""
    committed, left = orders(project)
    packed = project.ledger.count("packed")
    return [number for number in committed if number not in packed], left

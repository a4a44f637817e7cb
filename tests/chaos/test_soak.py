"""Steady work for a while: memory, channels and connections stay where they were."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.producers import start_producer
from tests.support.ledger import Ledger
from tests.support.processes import end_group
from tests.support.rabbitmq import RabbitMQ, new_rabbitmq
from tests.support.waiting import wait_until
from tests.support.worker import Worker

SECONDS = float(os.environ.get("SOAK_SECONDS", "40"))
WARM_UP_SHARE = 0.4
GROWTH_ALLOWED_BYTES = 3_000_000


@pytest.fixture
def rabbitmq() -> Iterator[RabbitMQ]:
    """A broker without any other connection."""
    with new_rabbitmq() as running:
        yield running


@pytest.mark.timeout(SECONDS + 180)
def test_nothing_grows_under_steady_work(
    rabbitmq: RabbitMQ, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the warm-up, no process of a worker gains memory, and no channel is left open."""
    environment = {"LEDGER": str(tmp_path)}
    ledger = Ledger(tmp_path)
    with ExitStack() as started:
        worker = started.enter_context(
            Worker(
                "soaked",
                rabbitmq.url(),
                tmp_path,
                app="tests.support.ledger_app",
                concurrency=2,
                environment=environment,
            )
        ).wait_ready()
        producer = start_producer("p0", rabbitmq.url(), environment, tmp_path, seed="soak")
        started.callback(end_group, producer)
        wait_until(lambda: ledger.count("ended").total(), what="the first task has ended")

        time.sleep(SECONDS * WARM_UP_SHARE)
        before = _measure(worker, rabbitmq)
        time.sleep(SECONDS * (1 - WARM_UP_SHARE))
        after = _measure(worker, rabbitmq)
        ended = ledger.count("ended").total()

    with capsys.disabled():
        print(f"\n{SECONDS:.0f} s, {ended} tasks; before {before}, after {after}")  # noqa: T201 - the figures of this run
    assert ended > SECONDS
    assert after["connections"] <= before["connections"]
    assert after["channels"] <= before["channels"]
    assert after["bytes"] - before["bytes"] < GROWTH_ALLOWED_BYTES


def _measure(worker: Worker, rabbitmq: RabbitMQ) -> dict[str, int]:
    """Return the private memory of all processes of ``worker``, and what the broker has open."""
    assert worker.process is not None
    pids = [worker.process.pid, *worker.pool_pids()]
    return {
        "bytes": sum(_private_bytes(pid) for pid in pids),
        "connections": len(rabbitmq.management.call("GET", "/connections")),
        "channels": len(rabbitmq.management.call("GET", "/channels")),
    }


def _private_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))

"""Producers publish and workers work while faults strike; at the end the ledger must balance."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pika
import pytest

from tests.chaos.faults import Fault, System, strike
from tests.chaos.producers import start_producer
from tests.support.ledger import Ledger
from tests.support.processes import end_group
from tests.support.proxy import Proxy
from tests.support.rabbitmq import RabbitMQ, new_rabbitmq
from tests.support.waiting import wait_until
from tests.support.worker import Worker

SEED = os.environ.get("CHAOS_SEED", "1")
SECONDS = float(os.environ.get("CHAOS_SECONDS", "45"))
SETTLE_SECONDS = 120
WORKERS = 3
PRODUCERS = 2


@pytest.fixture
def rabbitmq() -> Iterator[RabbitMQ]:
    """A broker that the test may kill."""
    with new_rabbitmq() as running:
        yield running


@pytest.mark.timeout(SECONDS + SETTLE_SECONDS + 120)
@pytest.mark.parametrize("queue_type", ["quorum", "classic"])
def test_nothing_is_lost_whatever_strikes(
    rabbitmq: RabbitMQ, queue_type: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every accepted message ran to its end or is a dead letter, whatever was killed or cut.

    Each fault strikes at least once, in an order that the seed decides, and proves itself.
    """
    ledger = Ledger(tmp_path)
    chance = random.Random(f"{queue_type} {SEED}")  # noqa: S311 - a seeded run, not a secret
    environment = {"LEDGER": str(tmp_path), "WORK_QUEUE_TYPE": queue_type}
    with ExitStack() as started:
        proxy = started.enter_context(Proxy(rabbitmq.port))
        url = proxy.url(rabbitmq.url())
        workers = [
            started.enter_context(
                Worker(
                    f"worker{number}",
                    url,
                    tmp_path,
                    app="tests.support.ledger_app",
                    concurrency=2,
                    environment=environment,
                )
            )
            for number in range(WORKERS)
        ]
        for worker in workers:
            worker.wait_ready()
        if queue_type == "quorum":
            rabbitmq.wait_registered("task_queue", "task_queue.dead_letters")
        producers = [
            start_producer(f"p{number}", url, environment, tmp_path, seed=SEED)
            for number in range(PRODUCERS)
        ]
        for producer in producers:
            started.callback(end_group, producer)

        struck = _strike_for(SECONDS, System(rabbitmq, proxy, workers, ledger), chance)

        for producer in producers:
            end_group(producer, grace_seconds=30)
            assert producer.returncode == 0, (tmp_path / "p0.log").read_text()[-2000:]
        accepted = set(ledger.count("accepted"))
        wait_until(
            lambda: accepted - set(ledger.count("ended")) - _dead_letters(rabbitmq),
            lambda missing: not missing,
            what="every accepted message ran to its end or is a dead letter",
            timeout_seconds=SETTLE_SECONDS,
            interval_seconds=1,
        )
        dead = _dead_letters(rabbitmq)

    ended = ledger.count("ended")
    report = {
        "queue": queue_type,
        "seed": SEED,
        "faults": {fault.value: struck.count(fault) for fault in Fault},
        "accepted": len(accepted),
        "ran": len(accepted & set(ended)),
        "dead-lettered": len(accepted & dead),
        "ran more than once": sum(times > 1 for times in ended.values()),
        "lost": len(accepted - set(ended) - dead),
    }
    with capsys.disabled():
        print("\n" + json.dumps(report, indent=2))  # noqa: T201 - the figures of this run
    assert report["lost"] == 0
    assert all(report["faults"].values()), "a fault never struck: give the run more seconds"
    assert len(accepted) > SECONDS, "too little was published to prove anything"


def _strike_for(seconds: float, system: System, chance: random.Random) -> list[Fault]:
    """Strike with every fault once, then with any, until ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    struck: list[Fault] = []
    to_come = chance.sample(list(Fault), len(Fault))
    while to_come or time.monotonic() < deadline:
        fault = to_come.pop() if to_come else chance.choice(list(Fault))
        strike(fault, system, chance)
        struck.append(fault)
        time.sleep(chance.uniform(0.5, 2.5))
    return struck


def _dead_letters(rabbitmq: RabbitMQ) -> set[str]:
    """Return the ids of the messages that lie in the dead-letter queue, leaving them there."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url())) as connection:
        channel = connection.channel()
        found = set()
        while True:
            method, _, body = channel.basic_get("task_queue.dead_letters")
            if method is None:
                return found
            found.add(json.loads(body)[0][0])

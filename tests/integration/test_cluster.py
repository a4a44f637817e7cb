"""Three nodes: what nodes that die, and come back, do to messages, publishers and workers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import kombu.pools
import pytest
from celery import Celery

from proj import plugin
from proj.errors import PublishError
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.rabbitmq_cluster import RabbitMQCluster
from tests.support.waiting import wait_until
from tests.support.worker import Worker

pytestmark = pytest.mark.own_machine

MESSAGES = 2000
DEADLINE_SECONDS = 10.0
QUEUES = ("task_queue", "task_queue.dead_letters")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RabbitMQCluster]:
    """Three nodes for the tests of this file, which leave them running."""
    with RabbitMQCluster() as running:
        yield running


@pytest.fixture
def app(cluster: RabbitMQCluster) -> Iterator[Celery]:
    """An app that knows every node of the cluster."""
    app = Celery("ledger", broker=cluster.urls, set_as_current=False)
    plugin.install(app)
    app.conf.work_queue_publish_deadline_seconds = DEADLINE_SECONDS
    yield app
    kombu.pools.reset()


class Publisher(Thread):
    """Publishes messages for ``ledger.record``, and notes how long each call took."""

    def __init__(self, app: Celery, ledger: Ledger, at_least: int) -> None:
        super().__init__(daemon=True)
        self.app = app
        self.ledger = ledger
        self.at_least = at_least
        self.enough = Event()
        self.seconds: list[float] = []
        self.errors: list[PublishError] = []

    def run(self) -> None:
        """Publish until there are ``at_least`` so many, and ``enough`` is set."""
        while len(self.seconds) < self.at_least or not self.enough.is_set():
            message_id = str(len(self.seconds))
            began = time.monotonic()
            try:
                self.app.send_task("ledger.record", (message_id, 0))
            except PublishError as error:
                self.errors.append(error)
            else:
                self.ledger.write("accepted", message_id)
            self.seconds.append(time.monotonic() - began)
            time.sleep(0.003)

    def wait_published(self, more: int) -> None:
        """Return once ``more`` messages than now are published."""
        aim = len(self.seconds) + more
        wait_until(lambda: len(self.seconds), lambda count: count >= aim, what=f"{aim} published")


@pytest.mark.timeout(180)
def test_nothing_is_lost_when_the_leader_dies_and_then_another_node(
    cluster: RabbitMQCluster, app: Celery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2,000 messages flow; every call returns in time, and every message runs.

    Publisher and workers are told of three nodes, and move from the killed one by themselves.
    """
    ledger = Ledger(tmp_path)
    publisher = Publisher(app, ledger, MESSAGES)
    with (
        a_worker("one", cluster.urls, tmp_path) as one,
        a_worker("two", cluster.urls, tmp_path) as two,
    ):
        one.wait_ready()
        two.wait_ready()
        cluster.wait_whole("task_queue")
        leader = cluster.leader("task_queue")
        publisher.start()
        publisher.wait_published(300)
        before = len(publisher.seconds)
        cluster.kill(leader)
        publisher.wait_published(100)
        leader.start()
        cluster.wait_whole("task_queue")
        other = next(node for node in cluster.nodes if node is not leader)
        cluster.kill(other)
        publisher.wait_published(100)
        publisher.enough.set()
        publisher.join(60)
        lost = wait_until(
            lambda: set(ledger.count("accepted")) - set(ledger.count("ended")),
            lambda missing: not missing,
            what="every accepted message ran",
            timeout_seconds=60,
        )
        other.start()

    report = {
        "published": len(publisher.seconds),
        "published before the first kill": before,
        "not accepted": len(publisher.errors),
        "longest pause of the publisher, seconds": round(max(publisher.seconds), 2),
        "errors": [str(error) for error in publisher.errors],
        "lost": len(lost),
    }
    with capsys.disabled():
        print("\n" + json.dumps(report, indent=2))  # noqa: T201 - the figures of this run
    assert not publisher.is_alive()
    assert before < MESSAGES, "the leader was killed too late"
    assert len(ledger.count("accepted")) >= MESSAGES - len(publisher.errors)
    assert max(publisher.seconds) < DEADLINE_SECONDS + 1


@pytest.mark.timeout(180)
def test_without_a_majority_publishing_fails_in_time_and_recovers(
    cluster: RabbitMQCluster, app: Celery, tmp_path: Path
) -> None:
    """One node of three confirms nothing: an error, by the deadline; with two, all goes on."""
    with a_worker("one", cluster.urls, tmp_path) as worker:
        worker.wait_ready()
        app.send_task("ledger.record", ("before", 0))
        cluster.wait_whole("task_queue")
        leader = cluster.leader("task_queue")
        other = next(node for node in cluster.nodes if node is not leader)
        for node in (other, leader):
            cluster.kill(node)

        began = time.monotonic()
        with pytest.raises(PublishError, match=r"[Pp]ublish it again"):
            app.send_task("ledger.record", ("meanwhile", 0), publish_deadline_seconds=3)
        assert time.monotonic() - began < 4

        other.start()
        wait_until(lambda: accepts(app, "after"), what="the broker takes messages again")
        wait_until(
            lambda: set(Ledger(tmp_path).count("ended")),
            lambda ended: {"before", "after"} <= ended,
            what=f"{worker.name} consumes again",
            timeout_seconds=60,
        )
        leader.start()


def test_a_host_that_does_not_answer_leaves_time_for_the_next_one(
    cluster: RabbitMQCluster,
) -> None:
    """The first two take a connection and say nothing: a publish comes to the third in time."""
    living = cluster.nodes[0]
    with Proxy(living.port) as one, Proxy(living.port) as two:
        urls = [one.url(living.url()), two.url(living.url()), living.url()]
        for silent in (one, two):
            silent.hold()
        app = Celery("ledger", broker=urls, set_as_current=False)
        plugin.install(app)

        app.send_task("ledger.record", ("0", 0), publish_deadline_seconds=5)

        assert one.held_bytes, "the first one was not asked"
        assert two.held_bytes, "the second one was not asked"
    kombu.pools.reset()


def accepts(app: Celery, message_id: str) -> bool:
    """Return whether the broker takes a message; it refuses some until it has elected a leader."""
    try:
        app.send_task("ledger.record", (message_id, 0))
    except PublishError:
        return False
    return True


def a_worker(name: str, urls: str, folder: Path) -> Worker:
    """Return a worker that is not yet started."""
    return Worker(
        name,
        urls,
        folder,
        app="tests.support.ledger_app",
        environment={"LEDGER": str(folder)},
    )

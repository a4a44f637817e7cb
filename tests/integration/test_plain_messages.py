"""Plain AMQP clients and our workers share one queue, in both directions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import AnyBroker, WorkerFactory
from tests.support.broker import Broker
from tests.support.processes import end_group, start_group
from tests.support.producer import run_producer
from tests.support.waiting import wait_until

SUPPORT = Path(__file__).parents[1] / "support"
POLICY = {"WORK_QUEUE_OWNERSHIP": "policy"}


class PlainConsumer:
    """The tutorial's consumer as a process of its own, and what it printed."""

    def __init__(self, url: str, folder: Path) -> None:
        self.output = folder / "plain_consumer.log"
        with self.output.open("ab") as output:
            self.process = start_group(
                [sys.executable, SUPPORT / "plain_consumer.py", url],
                environment={},
                folder=folder,
                output=output,
            )
        wait_until(self.log, lambda log: "Waiting" in log, what="the plain consumer waits")

    def log(self) -> str:
        """Return what the consumer has printed."""
        return self.output.read_text()


@pytest.fixture
def plain_consumer(quorum_by_default: Broker, tmp_path: Path) -> Iterator[PlainConsumer]:
    """The tutorial's consumer on the queue that it declares itself."""
    consumer = PlainConsumer(quorum_by_default.url, tmp_path)
    yield consumer
    end_group(consumer.process)


def plain_producer(url: str, *messages: str) -> None:
    """Run the tutorial's producer to its end."""
    subprocess.run([sys.executable, SUPPORT / "plain_producer.py", url, *messages], check=True)


def test_a_plain_producer_feeds_our_worker(
    quorum_by_default: Broker, workers: WorkerFactory
) -> None:
    """The tutorial's own producer, with its own declaration, feeds a Celery worker."""
    plain_producer(quorum_by_default.url, "First", "Second.")
    worker = workers("one", quorum_by_default.url, environment=POLICY)

    wait_until(worker.done, lambda done: done == ["First", "Second."], what="both are done")

    quorum_by_default.wait_empty()
    assert quorum_by_default.queue()["type"] == "quorum"
    assert quorum_by_default.queue()["arguments"].get("x-dead-letter-exchange") is None


def test_our_plain_messages_reach_a_plain_consumer(
    quorum_by_default: Broker, plain_consumer: PlainConsumer
) -> None:
    """What ``--plain`` publishes is what the tutorial's own consumer expects."""
    sent = run_producer("--plain", "--count", "2", broker_url=quorum_by_default.url,
                        environment=POLICY)  # fmt: skip

    assert sent.stdout == " [x] Sent 'Message 0'\n [x] Sent 'Message 1'\n", sent.stderr
    wait_until(plain_consumer.log, lambda log: log.count("Done") == 2, what="both are done")
    assert "Received 'Message 0'" in plain_consumer.log()


def test_plain_messages_are_persistent_text_without_headers(quorum_by_default: Broker) -> None:
    """A ``--plain`` message is the bare text, persistent, with no header of Celery's."""
    run_producer("--plain", "Grüße", broker_url=quorum_by_default.url, environment=POLICY)
    properties, body = quorum_by_default.peek()

    assert body.decode() == "Grüße"
    assert properties.delivery_mode == 2
    # RabbitMQ's own header on a quorum queue; we add none.
    assert set(properties.headers or {}) <= {"x-delivery-count"}


def test_a_plain_consumer_and_our_worker_share_one_queue(
    quorum_by_default: Broker, plain_consumer: PlainConsumer, workers: WorkerFactory
) -> None:
    """Side by side on one queue, each message goes to one of the two, and both get some."""
    worker = workers("one", quorum_by_default.url, environment=POLICY)
    run_producer(
        *("--plain", *(f"{n}." for n in range(8))),
        broker_url=quorum_by_default.url,
        environment=POLICY,
    )

    wait_until(
        lambda: plain_consumer.log().count("Done") + len(worker.done()),
        lambda done: done == 8,
        what="all eight are done",
    )
    assert plain_consumer.log().count("Done") > 1
    assert len(worker.done()) > 1


def test_text_of_any_client_runs_as_process_message(
    any_broker: AnyBroker, workers: WorkerFactory
) -> None:
    """Whatever content type a client gives its text, the task gets the text."""
    worker = workers("one", any_broker.url)
    any_broker.publish(b"no content type")
    any_broker.publish("Grüße".encode())
    latin = {"content_type": "text/plain", "content_encoding": "latin-1"}
    any_broker.publish("Größe".encode("latin-1"), **latin)
    any_broker.publish(b'{"photo": 7}', content_type="application/json")
    any_broker.publish(b"bytes", content_type="application/octet-stream")
    any_broker.publish(b"")

    done = wait_until(worker.done, lambda done: len(done) == 6, what="all six are done")

    assert done == ["no content type", "Grüße", "Größe", '{"photo": 7}', "bytes", ""]

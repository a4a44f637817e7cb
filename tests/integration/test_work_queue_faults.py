"""What becomes of the messages when a process, a worker or the broker is killed."""

from __future__ import annotations

import os
import signal

from tests.integration.conftest import AnyBroker, WorkerFactory
from tests.support.producer import run_producer
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until


def test_a_message_whose_pool_process_is_killed_runs_to_its_end(
    any_broker: AnyBroker, workers: WorkerFactory
) -> None:
    """SIGKILL of the process in mid-message: the broker gives the message out again."""
    worker = workers("one", any_broker.url)
    run_producer("Message 0...", broker_url=any_broker.url)
    worker.wait_for_log(r"\[x\] Received 'Message 0...'")
    (pid,) = worker.pool_pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(worker.pool_pids, lambda pids: pid not in pids, what="the process is gone")

    wait_until(worker.done, lambda done: done == ["Message 0..."], what="the message is done")

    assert worker.received() == ["Message 0...", "Message 0..."]
    any_broker.wait_empty()


def test_a_message_whose_worker_is_killed_runs_on_another(
    any_broker: AnyBroker, workers: WorkerFactory
) -> None:
    """SIGKILL of a whole worker in mid-message: another worker runs the message to its end."""
    first = workers("first", any_broker.url)
    run_producer("Message 0....", broker_url=any_broker.url)
    first.wait_for_log(r"\[x\] Received 'Message 0....'")
    second = workers("second", any_broker.url)
    first.kill()

    wait_until(second.done, lambda done: done == ["Message 0...."], what="the other does it")

    assert not first.done()
    any_broker.wait_empty()


def test_every_message_runs_after_the_broker_was_killed(
    own_node: RabbitMQ, workers: WorkerFactory
) -> None:
    """SIGKILL of the broker with messages waiting and one in work; started again, all of them run.

    The workers connect again by themselves.
    """
    worker = workers("one", own_node.url())
    bodies = ["in work......", *(f"Message {n}" for n in range(5))]
    run_producer(*bodies, broker_url=own_node.url())
    worker.wait_for_log(r"\[x\] Received 'in work......'")
    own_node.wait_registered("task_queue", "task_queue.dead_letters")
    own_node.kill()
    worker.wait_for_log(r"(?i)connection to broker lost|Cannot connect to amqp")
    own_node.start()

    wait_until(
        worker.done,
        lambda done: set(done) == set(bodies),
        what="every message is done",
        timeout_seconds=60,
    )

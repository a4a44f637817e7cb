"""The main job: messages shared out among workers on a real RabbitMQ."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import AnyBroker, WorkerFactory
from tests.support.broker import Broker
from tests.support.producer import run_producer
from tests.support.waiting import wait_until


def test_idle_workers_do_what_the_busy_one_does_not(
    any_broker: AnyBroker, workers: WorkerFactory
) -> None:
    """No worker ever holds more than one message per process, so nothing waits behind a long one.

    The broker is asked how many deliveries each channel holds, while three workers share fifteen
    messages of one second and one of six.
    """
    three = [workers(name, any_broker.url) for name in ("one", "two", "three")]
    wait_until(
        any_broker.prefetch_counts,
        lambda prefetch_counts: prefetch_counts == [1, 1, 1],
        what="the broker knows three consumers with a prefetch of one",
    )
    run_producer("long" + "." * 6, *(f"{n}." for n in range(15)), broker_url=any_broker.url)

    held = []
    wait_until(
        lambda: held.append(any_broker.most_unacknowledged()) or sum(len(w.done()) for w in three),  # type: ignore[func-returns-value]
        lambda done: done == 16,
        what="all 16 messages are done",
        timeout_seconds=60,
    )

    assert max(held) == 1
    busy = next(worker for worker in three if "long......" in worker.done())
    others = [worker for worker in three if worker is not busy]
    assert all(len(worker.done()) > len(busy.done()) for worker in others)
    everything = [body for worker in three for body in worker.done()]
    assert sorted(everything) == sorted(["long......", *(f"{n}." for n in range(15))])


def test_a_worker_with_two_processes_holds_two_messages(
    any_broker: AnyBroker, workers: WorkerFactory
) -> None:
    """The prefetch is one for each process, not one for each worker."""
    worker = workers("pair", any_broker.url, concurrency=2)
    run_producer("a" + "." * 6, "b" + "." * 6, "c", "d", broker_url=any_broker.url)

    wait_until(worker.received, lambda seen: len(seen) == 2, what="both processes work")
    assert any_broker.waiting() == 2
    wait_until(any_broker.most_unacknowledged, lambda held: held == 2, what="two are held")
    wait_until(worker.done, lambda done: len(done) == 4, what="all four are done")


def test_the_queue_and_its_messages_outlive_the_broker(broker: Broker) -> None:
    """The queue is durable and the messages are persistent; the broker itself says so."""
    run_producer("Message 0", broker_url=broker.url)

    assert broker.queue()["durable"] is True
    assert broker.queue()["arguments"]["x-queue-type"] == "quorum"
    assert broker.queue("task_queue.dead_letters")["durable"] is True
    properties, _ = broker.peek()
    assert properties.delivery_mode == 2


def test_a_message_is_acknowledged_after_the_work(
    any_broker: AnyBroker, workers: WorkerFactory
) -> None:
    """While a task runs the broker still holds its message; when it is done, no more."""
    worker = workers("one", any_broker.url)
    run_producer("slow" + "." * 6, broker_url=any_broker.url)
    worker.wait_for_log(r"\[x\] Received 'slow\.{6}'")

    held = wait_until(
        any_broker.unacknowledged,
        lambda count: count == 1,
        what="the broker holds the message",
    )
    assert held == 1
    assert not worker.done()
    worker.wait_for_log(r"\[x\] Done")
    any_broker.wait_empty()


def test_the_reference_tasks_are_registered(any_broker: AnyBroker, workers: WorkerFactory) -> None:
    """A worker of a fresh clone knows both reference tasks and accepts JSON only."""
    log = workers("one", any_broker.url).log()

    assert ". tasks.messages.process_message" in log
    assert ". tasks.webhooks.deliver" in log


def test_celery_finds_the_app_from_the_clone(any_broker: AnyBroker, tmp_path: Path) -> None:
    """A worker runs as an ordinary module too, from any pool that Celery has."""
    factory = WorkerFactory(tmp_path)
    try:
        worker = factory("threads", any_broker.url, pool="threads", concurrency=2)
        run_producer("Message 0", broker_url=any_broker.url)
        worker.wait_for_log(r"\[x\] Done")
    finally:
        for each in factory.started:
            each.end()

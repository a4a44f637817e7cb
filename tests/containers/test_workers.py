"""Workers and their broker in containers, run by pytest-celery."""

from __future__ import annotations

import re

from pytest_celery import CeleryTestSetup, CeleryTestWorker

from tests.support.plain_broker import PlainBroker
from tests.support.producer import run_producer
from tests.support.waiting import wait_until

TEN = [f"Message {number}" for number in range(10)]


def test_ten_messages_over_three_worker_containers(celery_setup: CeleryTestSetup) -> None:
    """Each message is done once, and each of the three workers does some."""
    messages = [f"{message}." for message in TEN]
    _publish(celery_setup, *messages)

    _wait_done(celery_setup, messages)
    assert sorted(_all_done(celery_setup)) == messages
    assert all(_done(worker) for worker in celery_setup.worker_cluster)
    _wait_empty(celery_setup)


def test_a_killed_worker_container_gives_its_message_back(celery_setup: CeleryTestSetup) -> None:
    """The container is killed in mid-task, and another worker does the message."""
    _publish(celery_setup, "Resize photo 7........")
    victim = _wait_begun(celery_setup)
    victim.kill()
    state = victim.container.attrs["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 137)
    assert not _done(victim)

    _wait_done(celery_setup, ["Resize photo 7........"])
    _wait_empty(celery_setup)


def test_a_restarted_broker_container_loses_nothing(celery_setup: CeleryTestSetup) -> None:
    """The broker's container is killed under ten messages and started again; all are done."""
    broker = celery_setup.broker
    messages = [f"{message}.." for message in TEN]
    _publish(celery_setup, *messages)
    _wait_begun(celery_setup)
    broker.kill()
    assert broker.container.attrs["State"]["ExitCode"] == 137
    broker.restart()

    _wait_done(celery_setup, messages)
    _wait_empty(celery_setup)


def _publish(setup: CeleryTestSetup, *bodies: str) -> None:
    done = run_producer(*bodies, broker_url=setup.broker.container.host_url)
    assert done.returncode == 0, done.stderr


def _wait_begun(setup: CeleryTestSetup) -> CeleryTestWorker:
    """Return the first worker that is at work."""
    return wait_until(
        lambda: [each for each in setup.worker_cluster if "[x] Received" in each.logs()],
        what="a worker has begun",
    )[0]


def _wait_done(setup: CeleryTestSetup, bodies: list[str]) -> None:
    wait_until(
        lambda: set(_all_done(setup)),
        lambda done: done == set(bodies),
        what="all messages are done",
        timeout_seconds=60,
    )


def _all_done(setup: CeleryTestSetup) -> list[str]:
    return [body for worker in setup.worker_cluster for body in _done(worker)]


def _done(worker: CeleryTestWorker) -> list[str]:
    """Return the messages that ``worker`` has done; it has one process, and does one at a time."""
    return re.findall(r"\[x\] Received '(.*)'\n(?:.*\n)*?.*\[x\] Done", worker.logs())


def _wait_empty(setup: CeleryTestSetup) -> None:
    with PlainBroker(setup.broker.container.host_url) as broker:
        wait_until(broker.waiting, lambda count: count == 0, what="the queue is empty")
        assert broker.waiting(broker.letters_queue) == 0

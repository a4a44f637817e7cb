"""What ``doctor`` finds about running workers: each appears, and its remedy ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from celery import Celery

from proj.doctor.examined import Examined
from proj.doctor.fixing import fix
from proj.doctor.live import workers
from proj.doctor.live.broker import publish
from proj.doctor.live.reached import Reached
from proj.doctor.live.route import dead_letter_route_broken
from proj.doctor.live.workers import (
    clock_skew,
    node_name_twice,
    task_not_in_workers,
    worker_holds_too_many,
)
from tests.support.doctor_scene import app_with, looking, virtual_host
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.worker import Worker

pytestmark = pytest.mark.own_machine


@pytest.fixture(scope="module")
def rabbitmq_url(node: RabbitMQ) -> Iterator[str]:
    """Give the URL of one virtual host for all tests of this file."""
    with virtual_host(node) as url:
        yield url


@pytest.fixture(params=["rabbitmq", "embedded"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of each kind of broker."""
    if request.param == "embedded":
        return f"sqlite:///{tmp_path / 'task_queue.db'}"
    return str(request.getfixturevalue("rabbitmq_url"))


@pytest.fixture
def reached(url: str) -> Iterator[Reached]:
    """Look at the work queue of each kind of broker."""
    with looking(url, work_queue_name="task_queue") as found:
        fix(found.examined.app)
        yield found


def heard_anew(reached: Reached, check: Callable[[Reached], object]) -> object:
    """Return what ``check`` finds in heartbeats that come from now on."""
    reached.heartbeats = None
    return check(reached)


@contextmanager
def heartbeats(app: Celery, *workers: tuple[str, int, float]) -> Iterator[None]:
    """Send heartbeats as workers do: node name, process id, and how far its clock is ahead."""
    ended = Event()

    def send() -> None:
        with app.connection_for_write() as connection:
            dispatcher = app.events.Dispatcher(connection, enabled=True)
            while not ended.wait(0.2):
                for name, process_id, ahead in workers:
                    dispatcher.hostname, dispatcher.pid = name, process_id
                    dispatcher.send("worker-heartbeat", timestamp=time.time() + ahead)

    sender = Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


def test_names_and_clocks_that_are_wrong_are_found(
    reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes under one name, and clocks by name and seconds; one second is none."""
    monkeypatch.setattr(workers, "LISTENING_SECONDS", 1.0)
    app = reached.examined.app
    right = ("right@host", 3, 1.0)
    with heartbeats(app, ("w@host", 1, 90), ("w@host", 2, 90), ("late@host", 1, -60), right):
        assert heard_anew(reached, node_name_twice) == "'w@host'"
        assert clock_skew(reached) == "late@host (-60 s), w@host (+90 s)"
    with heartbeats(app, right):
        assert not heard_anew(reached, node_name_twice)
        assert not clock_skew(reached)


def test_what_running_workers_hold_and_do_not_know_is_found(
    reached: Reached, url: str, tmp_path: Path
) -> None:
    """A worker that scales by itself is told, one of a fixed number of processes is not.

    Neither is given the probe of the dead-letter route; replayed, it becomes a dead letter again.
    """
    scaling = Worker("scales", url, tmp_path, options=("--autoscale=2,1",))
    with scaling, Worker("fixed", url, tmp_path, concurrency=2) as fixed:
        scaling.wait_ready()
        fixed.wait_ready()

        (told,) = worker_holds_too_many(reached)
        assert told.startswith("scales@localhost scales to 2 processes, and now takes up to ")
        # Their app is this repository's, and the one that is examined has the task shop.pack.
        assert task_not_in_workers(reached) == "None of 2 workers knows shop.pack"
        known = "tasks.messages.process_message"
        reached.examined.tasks = {known: reached.examined.tasks["shop.pack"]}
        assert task_not_in_workers(reached) is None
        assert not node_name_twice(reached)
        assert not clock_skew(reached)
        assert dead_letter_route_broken(reached) is None
        assert scaling.received() == fixed.received() == []
        heard = {event["hostname"] for event, _ in reached.heartbeats or ()}
        assert heard == {"scales@localhost", "fixed@localhost"}
        with reached.connection.channel() as channel:
            publish(channel, reached.queue)
        wait_until(
            lambda: reached.counts(reached.dead_letters),
            lambda told: told == (1, 0),
            what="the probe is a dead letter",
        )
        assert scaling.received() == fixed.received() == []


@pytest.mark.parametrize(
    ("prefetch", "found"), [(8, ["w@host has 2 processes, and takes up to 8"]), (2, [])]
)
def test_a_worker_that_holds_more_than_its_processes_is_found(
    monkeypatch: pytest.MonkeyPatch, prefetch: int, found: list[str]
) -> None:
    """What it asked of the broker counts, whatever set it."""
    stats = {"w@host": {"pool": {"processes": [7, 8]}, "prefetch_count": prefetch}}
    monkeypatch.setattr(workers, "_answers", lambda *_: stats)

    assert worker_holds_too_many(Reached(Examined(app_with()), connection=None)) == found


def test_without_workers_nothing_is_found(reached: Reached) -> None:
    """Nobody answers: that no worker consumes is another finding."""
    assert worker_holds_too_many(reached) == []
    assert task_not_in_workers(reached) is None

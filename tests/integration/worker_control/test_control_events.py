"""Events, from which Flower lives, and signals, which an app's own code receives."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import Any

import celery
import pytest

from tests.support.control_scene import ControlScene
from tests.support.waiting import wait_until
from tests.support.worker import Worker

Event = dict[str, Any]

# Celery takes a rejected message for a failed task since 5.7.
REFUSED = ["task-failed"] * (celery.VERSION >= (5, 7)) + ["task-rejected"]

ENDINGS = {
    "note": ["task-received", "task-started", "task-succeeded"],
    "fail": ["task-received", "task-started", "task-failed"],
    "refuse": ["task-received", "task-started", *REFUSED],
    "retry": [
        *["task-received", "task-started", "task-retried"] * 2,
        *["task-received", "task-started", "task-failed"],
    ],
    "too_long": ["task-received", "task-started", "task-failed"],
}
"""Task -> the types of its events, in order."""


class Listener:
    """All events of one broker, from a queue that is bound to Celery's exchange of events."""

    def __init__(self, scene: ControlScene) -> None:
        self.channel = scene.broker.channel
        self.queue: str = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.exchange_declare("celeryev", "topic", durable=True)
        self.channel.queue_bind(self.queue, "celeryev", "#")
        self._events: list[Event] = []

    def events(self, task_id: str | None = None) -> list[Event]:
        """Return the events so far, of this task only if one is named, by their own times."""
        while (taken := self.channel.basic_get(self.queue, auto_ack=True))[0]:
            body = json.loads(taken[2])
            self._events += body if isinstance(body, list) else [body]
        events = [each for each in self._events if task_id in (None, each.get("uuid"))]
        return sorted(events, key=lambda event: event["timestamp"])


@pytest.fixture(scope="module")
def listener(scene: ControlScene) -> Listener:
    """One that listens before the worker starts."""
    return Listener(scene)


@pytest.fixture(scope="module")
def worker(scene: ControlScene, listener: Listener) -> Worker:
    """One worker with two processes, for all tests here."""
    assert not listener.events()
    return scene.worker("told", concurrency=2)


def test_events_of_tasks_are_switched_on_and_off(
    scene: ControlScene, listener: Listener, worker: Worker
) -> None:
    """``enable_events`` and ``disable_events``: nothing is told of what ran in between."""
    silent = [scene.send("note", "before")]
    scene.wait_begun("before")
    scene.wait_empty()
    assert scene.ask(worker, "enable_events") == {"ok": "task events enabled"}
    told = [scene.send("note", "first")]
    wait_until(lambda: len(listener.events(told[0])) == 3, what="it has its events")
    assert scene.ask(worker, "disable_events") == {"ok": "task events disabled"}
    silent.append(scene.send("note", "between"))
    scene.wait_begun("between")
    scene.wait_empty()
    assert scene.ask(worker, "enable_events") == {"ok": "task events enabled"}
    told.append(scene.send("note", "second"))

    wait_until(lambda: len(listener.events(told[1])) == 3, what="it has its events")

    assert [len(listener.events(each)) for each in silent] == [0, 0]


def test_each_event_of_a_task_tells_the_worker_and_comes_in_its_turn(
    scene: ControlScene, listener: Listener, worker: Worker
) -> None:
    """However a task ends: received, started and ended by this worker, once each, in this order."""
    ids = {task: scene.send(task, f"event-{task}") for task in ENDINGS}

    for task, expected in ENDINGS.items():
        events = wait_until(
            lambda each=ids[task]: listener.events(each),  # type: ignore[misc]
            lambda seen, expected=expected: len(seen) >= len(expected),  # type: ignore[misc]
            what=f"{task} has its events",
        )
        # Celery 5.7 tells of a hard time limit twice.
        last = -1 if task == "too_long" and len(events) > len(expected) else len(events)
        assert types_of(events[:last]) == expected, task
        assert {event["hostname"] for event in events} == {worker.node}
        assert events[0]["name"] == task
    _, started, succeeded = listener.events(ids["note"])
    assert abs(started["timestamp"] - scene.wait_run("event-note").time) < 5
    assert succeeded["result"] == repr("event-note")
    assert succeeded["runtime"] >= 0


def test_a_task_whose_process_is_lost_has_an_end_too(
    scene: ControlScene, listener: Listener, worker: Worker
) -> None:
    """Started twice, as often as it may be; then it failed, and Flower does not show it at work."""
    task_id = scene.send("kill_process_twice", "event-killed")

    events = wait_until(
        lambda: listener.events(task_id),
        lambda seen: "task-failed" in types_of(seen),
        what="it has failed",
    )

    types = types_of(events)
    assert (types.count("task-received"), types.count("task-started")) == (2, 2)
    assert types[-1] == "task-failed"
    assert {event["hostname"] for event in events} == {worker.node}


def test_a_revoked_task_tells_so(scene: ControlScene, listener: Listener, worker: Worker) -> None:
    """Terminated while it runs: one ``task-revoked``, which says that it was terminated."""
    task_id = scene.send("hold", "event-revoked")
    scene.wait_run("event-revoked")
    scene.ask(worker, "revoke", task_id=task_id, terminate=True)

    events = wait_until(
        lambda: listener.events(task_id), lambda seen: len(seen) >= 3, what="it has its events"
    )

    assert types_of(events) == ["task-received", "task-started", "task-revoked"]
    assert events[-1]["terminated"] is True


def test_signals_are_sent_where_celery_documents_them(scene: ControlScene, worker: Worker) -> None:
    """Once each in the main process, or in each process of the pool, or where the task runs."""
    assert worker.process is not None
    main = worker.process.pid
    before = scene.signals()
    scene.send("note", "signal-note")
    scene.send("fail", "signal-fail")
    scene.send("retry", "signal-retry")
    scene.send("tasks.of.another.release", "unknown")
    runs = {"task_received": 5, "task_prerun": 5, "task_postrun": 5}
    endings = {"task_success": 1, "task_failure": 2, "task_retry": 2, "task_unknown": 1}
    expected = Counter(runs | endings)

    def by_name() -> Counter[str]:
        names: Counter[str] = Counter()
        for (name, _), times in (scene.signals() - before).items():
            names[name] += times
        return names

    wait_until(by_name, lambda seen: seen >= expected, what="every signal was sent")

    assert by_name() == expected
    sent = set(scene.signals())
    children = {pid for name, pid in sent if name == "worker_process_init"}
    assert set(worker.pool_pids()) <= children
    in_children = ("task_prerun", "task_postrun", "task_success", "task_retry")
    assert {pid for name, pid in sent if name in in_children} <= children
    for name in ("celeryd_init", "celeryd_after_setup", "worker_init", "worker_ready"):
        assert {pid: scene.signals()[name, pid] for each, pid in sent if each == name} == {main: 1}
    assert {pid for name, pid in sent if name == "worker_before_create_process"} == {main}


def test_a_worker_that_leaves_tells_so(
    scene: ControlScene, listener: Listener, worker: Worker
) -> None:
    """The events of its life from first to last, and the signals of a stop where they belong."""
    assert worker.process is not None
    main, children = worker.process.pid, worker.pool_pids()
    scene.ask(worker, "heartbeat")
    worker.signal(signal.SIGTERM)
    assert worker.wait_end() == 0

    events = [each for each in listener.events() if each["type"].startswith("worker-")]
    assert {each["hostname"] for each in events} == {worker.node}
    types = types_of(events)
    assert (types[0], types[-1]) == ("worker-online", "worker-offline")
    assert "worker-heartbeat" in types
    signals = scene.signals()
    assert signals["worker_shutting_down", main] == 1
    assert signals["worker_shutdown", main] == 1
    for pid in children:
        assert signals["worker_process_shutdown", pid] == 1


def types_of(events: list[Event]) -> list[str]:
    """Return the types of ``events``."""
    return [event["type"] for event in events]

"""Celery's worker, events, remote control, beat and Flower on the embedded broker."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

POOLS = {"prefork": ["-c2"], "solo": ["-P", "solo"], "threads": ["-P", "threads", "-c2"]}


@pytest.mark.parametrize("pool", POOLS)
def test_every_task_runs_once_and_the_queue_is_empty(
    app: Any, connect: Any, processes: Any, until: Callable[..., Any], pool: str
) -> None:
    """Each pool drains the queue; nothing is left ready or held after the worker has stopped."""
    worker = processes.worker(*POOLS[pool])
    names = [f"n{number}" for number in range(200)]
    for name in names:
        app.record.delay(name)
    until(lambda: len(processes.done()) >= len(names), state=lambda: len(processes.done()))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0

    assert sorted(processes.done()) == sorted(names)
    counts = connect().channel().queue_declare("task_queue", passive=True)
    assert (counts.message_count, counts.consumer_count) == (0, 0)


def test_two_workers_share_the_work(app: Any, processes: Any, until: Callable[..., Any]) -> None:
    """Ten tasks of 0.1 s on two workers end on both of them."""
    for name in ("one", "two"):
        processes.worker("-P", "solo", name=name)
    for number in range(10):
        app.record.delay(f"n{number}", 0.1)
    until(lambda: len(processes.done()) == 10, state=processes.done)

    workers = {line.split()[1] for line in processes.ledger.read_text().splitlines()}
    assert len(workers) == 2


def test_a_countdown_waits_in_the_file_and_fires_after_a_restart(
    app: Any, connect: Any, processes: Any, until: Callable[..., Any]
) -> None:
    """A delayed task is no worker's: it is counted apart, and a worker started later runs it."""
    first = processes.worker("-c1", name="first")
    due = time.time() + 10
    app.record.apply_async(("late",), countdown=10)
    channel = connect().channel()
    assert channel.delayed_count("task_queue") == 1
    first.send_signal(signal.SIGKILL)
    first.wait()
    processes.worker("-c1", name="second")
    assert channel.delayed_count("task_queue") == 1
    assert processes.done() == []
    until(processes.done)

    ended = float(processes.ledger.read_text().split()[2])
    assert due - 0.01 <= ended < due + 1


def test_workers_answer_remote_control_and_send_events(app: Any, processes: Any) -> None:
    """Inspect reaches two workers, control changes one, and events of a task arrive."""
    for name in ("one", "two"):
        processes.worker("-c1", "-E", name=name)
    inspect = app.app.control.inspect(timeout=3)
    assert set(inspect.ping() or {}) == {"one@test", "two@test"}
    replies = app.app.control.add_consumer("other", destination=["one@test"], reply=True, timeout=3)
    assert [list(reply) for reply in replies] == [["one@test"]]
    queues = (inspect.active_queues() or {})["one@test"]
    assert {queue["name"] for queue in queues} == {"task_queue", "other"}

    seen: list[str] = []
    with app.app.connection_for_read() as connection:
        receiver = app.app.events.Receiver(connection)

        def on_event(event: dict[str, Any]) -> None:
            seen.append(event["type"])
            receiver.should_stop = event["type"] == "task-succeeded"

        receiver.handlers = {"*": on_event}
        receiver.on_consume_ready = lambda *_, **__: app.record.delay("x")
        receiver.capture(limit=None, timeout=10, wakeup=False)
    assert {"task-received", "task-started", "task-succeeded"} <= set(seen)


def test_results_come_back_over_rpc(
    app: Any, processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rpc:// result backend works on the reply queues of this broker."""
    processes.environment["RESULT_BACKEND"] = "rpc://"
    monkeypatch.setattr(app.app.conf, "result_backend", "rpc://")
    processes.worker("-c1")

    assert [app.add.delay(number, 1).get(timeout=10) for number in range(3)] == [1, 2, 3]


def test_beat_sends_what_is_due(
    app: Any, processes: Any, until: Callable[..., Any], tmp_path: Path
) -> None:
    """A periodic task reaches the worker through beat."""
    (tmp_path / "beat_app.py").write_text(
        "from embedded_app import app\n"
        "app.conf.beat_schedule = {'t': {'task': 'embedded_app.record', 'schedule': 0.2,"
        " 'args': ('tick',)}}\n"
    )
    processes.worker("-c1")
    processes.start("-m", "celery", "-A", "beat_app", "beat", "-s", str(tmp_path / "schedule"))
    until(lambda: len(processes.done()) >= 3, state=processes.done)

    assert set(processes.done()) == {"tick"}
    assert app.app.conf.broker_url.startswith("sqlite")


def test_flower_shows_workers_and_tasks(
    app: Any, processes: Any, until: Callable[..., Any]
) -> None:
    """Flower lists the worker and the finished task; its broker page says plainly what it lacks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.worker("-c1", "-E", name="seen")
    flower = processes.start(
        *("-m", "celery", "-A", "embedded_app", "flower", f"--port={port}"),
        FLOWER_UNAUTHENTICATED_API="1",
    )

    def get(path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
                return json.load(answer) if path.startswith("api") else answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    workers = until(
        lambda: (found := get("api/workers?refresh=1")) and "seen@test" in found and found,
        state=lambda: processes.output(flower)[-500:],
    )
    assert workers["seen@test"]["active_queues"][0]["name"] == "task_queue"
    identifier = app.record.delay("x").id
    until(
        lambda: (get("api/tasks") or {}).get(identifier, {}).get("state") == "SUCCESS",
        state=lambda: get("api/tasks"),
    )
    assert get("") == get("workers") == get("tasks") == 200
    # 404: "'sqlite' broker is not supported", Flower's own answer; not a failure (5xx).
    assert get("broker") in (200, 404)


def test_a_task_starts_at_once_on_an_idle_worker(
    app: Any, processes: Any, until: Callable[..., Any]
) -> None:
    """The wake-up crosses processes: none waits for the worker's next look, which is far off."""
    processes.environment["LOOK_SECONDS"] = "600"
    processes.worker("-c1")
    for number in range(20):
        app.record.delay(f"n{number}")
        until(lambda number=number: len(processes.done()) > number, state=processes.done)

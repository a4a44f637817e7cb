"""``workqueue status``: what waits, what runs where, and what needs a person."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.conftest import AnyBroker, WorkerFactory
from tests.support.broker import Broker
from tests.support.waiting import wait_until
from tests.support.worker import ROOT
from tests.support.workqueue_command import command, environment_of, run, run_json


def test_status_tells_what_waits_and_what_runs(
    any_broker: AnyBroker, workers: WorkerFactory
) -> None:
    """Counts, processes with their task and since when, rates, and warnings with exit code 1."""
    before = run(any_broker.url, "status")
    worker = workers("w", any_broker.url, concurrency=2)
    idle = run(any_broker.url, "status")
    any_broker.publish(b"\xff", content_type="application/json", content_encoding="utf-8")
    for body in (b"first" + b"." * 12, b"second" + b"." * 12, b"waits"):
        any_broker.publish(body)
    wait_until(lambda: len(worker.received()), lambda count: count == 2, what="two tasks run")

    told = wait_until(
        lambda: run_json(any_broker.url, "status"),
        lambda told: told["dead_letters"]["ready"] == 1,
        what="the message that cannot be decoded is a dead letter",
    )
    shown = run(any_broker.url, "status")

    assert before.returncode == 1
    assert "There is no queue 'task_queue'" in before.stdout
    assert (idle.returncode, "!" in idle.stdout) == (0, False), idle.stdout
    work = told["work"]
    assert (work["in_work"], work["consumers"]) == (2, 1)
    assert work["in_per_second"] is not None
    assert work["out_per_second"] is not None
    processes = told["workers"]["w@localhost"]["processes"]
    assert sorted(each["pid"] for each in processes) == sorted(worker.pool_pids())
    assert {each["task"] for each in processes} == {"tasks.messages.process_message"}
    assert all(each["since"] for each in processes)
    assert {(each["attempt"], each["attempts_limit"]) for each in processes} == {(1, 5)}
    assert told["delayed"]["ready"] == 0
    assert "guest:guest" not in shown.stdout + json.dumps(told)
    for pid in worker.pool_pids():
        assert str(pid) in shown.stdout
    assert 0 <= told["dead_letters"]["oldest_seconds"] < 60
    assert any_broker.waiting("task_queue.dead_letters") == 1
    assert "! Dead letters: 1. See: workqueue dead-letters list" in shown.stdout


def test_the_management_api_tells_more_where_its_address_is_known(broker: Broker) -> None:
    """Rates and in-work of every client, and nearly full; its password is never shown."""
    with broker.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("task_queue", durable=True, arguments={"x-max-length": 10})
        channel.queue_declare("task_queue.dead_letters", durable=True)
        for _ in range(9):
            channel.basic_publish("", "task_queue", b"waits")
        taken, _, _ = channel.basic_get("task_queue")
        assert taken
        port = broker.management.root.split(":")[2].removesuffix("/api")
        address = f"http://guest:guest@127.0.0.1:{port}"
        told = wait_until(
            lambda: run_json(
                broker.url, "status", environment={"WORK_QUEUE_MANAGEMENT_URL": address}
            ),
            lambda told: told["work"]["in_work"] == 1 and told["work"]["most"] == 10,
            what="the management API has counted",
        )
    wrong = run(
        broker.url,
        "status",
        environment={"WORK_QUEUE_MANAGEMENT_URL": f"http://guest:s3cret@127.0.0.1:{port}"},
    )

    assert told["work"]["in_per_second"] is not None
    assert "nearly full" in [each["kind"] for each in told["warnings"]]
    assert "cannot be read: 401" in wrong.stdout
    assert "s3cret" not in wrong.stdout + wrong.stderr


@pytest.mark.own_machine
def test_watch_writes_lines_into_a_pipe_and_redraws_on_a_terminal(tmp_path: Path) -> None:
    """Ctrl-C ends both with exit code 0, and the terminal shows the history."""
    url = f"sqlite:///{tmp_path / 'task_queue.db'}"
    watch = command("status", "--watch", "--interval", "0.1")
    piped = subprocess.Popen(
        watch, env=environment_of(url), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    terminal, its_end = pty.openpty()
    drawn = subprocess.Popen(
        watch,
        env=environment_of(url, {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}),
        cwd=ROOT,
        stdin=its_end,
        stdout=its_end,
        stderr=subprocess.PIPE,
    )
    os.close(its_end)
    assert piped.stdout
    lines = [piped.stdout.readline().decode() for _ in range(2)]
    screen = b""
    while not re.search(rb"out/s.*at most", screen):
        screen += os.read(terminal, 65536)
    for process in (piped, drawn):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        assert b"Traceback" not in errors
    os.close(terminal)

    assert all(re.match(r"\d\d:\d\d:\d\d  ready \?  in work", line) for line in lines), lines
    assert b"\x1b[" in screen
    with closing(piped.stdout):
        pass


@pytest.mark.own_machine
def test_a_broker_that_is_away_is_one_line() -> None:
    """Exit code 1, no traceback unless asked for, no password."""
    away = "amqp://me:s3cret@127.0.0.1:1//"

    done = run(away, "status")
    traced = run(away, "--traceback", "pause")

    assert done.returncode == traced.returncode == 1
    assert "refused, or did not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in traced.stderr
    assert "s3cret" not in done.stderr + done.stdout

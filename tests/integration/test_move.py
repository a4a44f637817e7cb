"""``celery -A proj workqueue move``: waiting messages go from one broker to another."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pika
import pytest
from celery import Celery

from proj import plugin
from tests.support.broker import Broker
from tests.support.embedded_broker import EmbeddedBroker
from tests.support.producer import run_producer
from tests.support.waiting import wait_until
from tests.support.worker import ROOT
from tests.support.workqueue_command import command, environment_of, run


@pytest.fixture
def file(tmp_path: Path) -> EmbeddedBroker:
    """A broker file of the test's own."""
    return EmbeddedBroker(tmp_path / "task_queue.db")


def taken(broker: Broker, queue: str = "task_queue") -> list[tuple[pika.BasicProperties, bytes]]:
    """Take all that waits in ``queue``."""
    with broker.connect() as connection:
        channel = connection.channel()
        found = []
        while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
            found.append(got[1:])
        return found


def test_waiting_messages_move_to_rabbitmq_unchanged(file: EmbeddedBroker, broker: Broker) -> None:
    """What waited in the file waits on RabbitMQ: in order, bodies and properties as they were."""
    run_producer("first", "second", broker_url=file.url)
    run_producer("--plain", "Grüße", broker_url=file.url)

    done = run(broker.url, "move", "--from", file.url)

    assert done.returncode == 0, done.stderr
    assert "Moved 3 messages of 'task_queue'" in done.stdout
    assert "guest:**@" in done.stdout
    assert file.waiting() == 0
    (first, body), (second, _), (plain, text) = taken(broker)
    assert body.startswith(b'[["first"]')
    assert first.headers["task"] == "tasks.messages.process_message"
    assert first.correlation_id == first.headers["id"]
    assert (first.delivery_mode, second.delivery_mode, plain.delivery_mode) == (2, 2, 2)
    assert text.decode() == "Grüße"
    assert "task" not in (plain.headers or {})


def test_they_move_back_into_a_file(file: EmbeddedBroker, broker: Broker) -> None:
    """The way back is the same command."""
    run_producer("first", "second", broker_url=broker.url)

    done = run(file.url, "move", "--from", broker.url)

    assert done.returncode == 0, done.stderr
    assert (broker.waiting(), file.waiting()) == (0, 2)
    assert file.peek()[1].startswith(b'[["first"]')


def test_delayed_messages_are_said_to_stay(file: EmbeddedBroker, broker: Broker) -> None:
    """A delayed message is not waiting yet: it stays, and the command says so."""
    app = Celery("theirs", broker=file.url, set_as_current=False)
    plugin.install(app)
    app.send_task("tasks.messages.process_message", ("later",), countdown=3600)

    done = run(broker.url, "move", "--from", file.url)

    assert "Moved 0 messages" in done.stdout
    assert "1 delayed messages stay until they are due" in done.stdout


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("amqp://me:s3cret@127.0.0.1:1//", "Connection refused"),
        ("sqlite:////no/such/folder/task_queue.db", "No folder /no/such/folder"),
        ("amqp://me:s3cret/x@127.0.0.1", "it is no URL"),
    ],
)
def test_a_broker_that_cannot_be_read_is_one_line(broker: Broker, source: str, told: str) -> None:
    """An error is one line with exit code 1, without a traceback and without a password."""
    done = run(broker.url, "move", "--from", source)

    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


def test_the_apps_own_broker_is_refused_as_a_source(broker: Broker) -> None:
    """Moving a queue onto itself would never end."""
    done = run(broker.url, "move", "--from", broker.url)

    assert done.returncode == 2
    assert "is the app's own broker" in done.stderr


def test_a_file_under_another_name_is_the_apps_own(file: EmbeddedBroker, tmp_path: Path) -> None:
    """A symbolic link to the app's file, or to its folder, is the same broker."""
    (tmp_path / "link.db").symlink_to(file.path)

    done = run(file.url, "move", "--from", f"sqlite:///{tmp_path}/./link.db")

    assert done.returncode == 2
    assert "is the app's own broker" in done.stderr


def test_a_broker_under_another_name_is_gone_round_once(broker: Broker) -> None:
    """What cannot be seen to be the app's own broker ends after as many as waited."""
    run_producer("first", "second", broker_url=broker.url)
    assert "127.0.0.1" in broker.url

    done = run(broker.url, "move", "--from", broker.url.replace("127.0.0.1", "localhost"))

    assert done.returncode == 0, done.stderr
    assert "Moved 2 messages" in done.stdout
    assert broker.waiting() == 2


@pytest.mark.own_machine
def test_a_killed_move_loses_nothing_and_the_next_one_finishes_it(
    file: EmbeddedBroker, broker: Broker
) -> None:
    """SIGKILL at seeded moments: every message is on one side or the other, at most one on both."""
    count, kills = 1200, 4
    run_producer("--plain", "--count", str(count), broker_url=file.url)
    chance = random.Random(1)  # noqa: S311 - a seeded run, not a secret
    killed = 0
    while killed < kills:
        before = file.waiting()
        with moving(file, broker, until_fewer_than=before) as process:
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
        assert process.returncode == -signal.SIGKILL, "the move had ended before it was killed"
        killed += 1

    done = run(broker.url, "move", "--from", file.url)

    assert done.returncode == 0, done.stderr
    bodies = [body for _, body in taken(broker)]
    assert set(bodies) == {f"Message {number}".encode() for number in range(count)}
    assert len(bodies) <= count + kills
    assert file.waiting() == 0


@pytest.mark.own_machine
def test_ctrl_c_tells_how_far_it_came(file: EmbeddedBroker, broker: Broker) -> None:
    """One line: what is moved, that the rest is where it was, and how to go on."""
    count = 1000
    run_producer("--plain", "--count", str(count), broker_url=file.url)
    process = moving(file, broker, until_fewer_than=count - 1)
    process.send_signal(signal.SIGINT)

    told = process.communicate()[1]

    assert process.returncode == 1
    assert re.search(r"The move stopped after [1-9]\d* messages: it was interrupted\. What", told)
    assert count <= file.waiting() + broker.waiting() <= count + 1


def moving(file: EmbeddedBroker, broker: Broker, *, until_fewer_than: int) -> subprocess.Popen[str]:
    """Start to move the messages of ``file``; return the process once it has moved some."""
    process = subprocess.Popen(
        command("move", "--from", file.url),
        env=environment_of(broker.url),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(file.waiting, lambda now: now < until_fewer_than, what="messages move")
    return process

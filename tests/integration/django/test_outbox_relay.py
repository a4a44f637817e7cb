"""What a process left in the outbox is published by a relay: in the workers, or a command."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.django_project import DjangoProject
from tests.support.ports import free_ports
from tests.support.waiting import wait_until

pytestmark = pytest.mark.own_machine

BACKLOG = 8000
"""More than one relay sends between two looks of another one."""

END = (None, None, None)
"""What Pika's ``consume`` gives where nothing came for a while."""


def test_a_web_process_that_dies_after_its_commit(project: DjangoProject) -> None:
    """A worker sends what the process had no time to send, and it runs.

    Its own tasks use no outbox: that changes nothing for what is there.
    """
    project.manage("order", "1", "--die", exit_code=-signal.SIGKILL)
    assert [each["attempts"] for each in project.outbox()] == [0], "it was published"

    with project.worker("relaying", WORK_QUEUE_OUTBOX="False") as worker:
        worker.wait_ready()
        wait_until(lambda: project.ledger.count("packed"), what="the order is packed")
        wait_until(project.outbox, lambda outbox: outbox == [], what="the outbox is empty")

    assert project.ledger.count("packed") == {"1": 1}


def test_a_delay_counts_from_the_call(project: DjangoProject, broker: Broker) -> None:
    """What is left of it is waited for on the broker, in whole seconds, rounded up."""
    project.manage("order", "1", "--countdown", "120", "--die", exit_code=-signal.SIGKILL)
    (message,) = project.outbox()
    due = datetime.fromisoformat(json.loads(str(message["headers"]))["eta"]).timestamp()
    wait_until_due(project)
    before = time.time()

    project.manage("relay_outbox", "--once")

    with broker.connect() as connection:
        delayed, _, _ = connection.channel().basic_get("celery_delayed_6")  # 64 s or more
    digits = delayed.routing_key.removesuffix(".task_queue").split(".")
    assert due - time.time() <= int("".join(digits), 2) <= due - before + 1


def test_a_request_does_not_wait_for_a_broker_that_says_nothing(
    project: DjangoProject, broker: Broker
) -> None:
    """It succeeds after the bound (2 s here), the next one at once; a relay sends both later."""
    bound = {"WORK_QUEUE_OUTBOX_PUBLISH_SECONDS": "2"}
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        url = f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}//"
        said = project.manage("order", "1", "--again", "2", broker_url=url, **bound)

    first, second = (float(each) for each in re.findall(r"seconds=(\S+)", said))
    assert 2 <= first < 9, "a publish may take 10 s where nothing says less"
    assert second < 2
    assert "until a relay has sent them" in said
    assert "guest:guest" not in said
    wait_until_due(project)
    project.manage("relay_outbox", "--once")
    assert broker.waiting() == 2


def test_relays_side_by_side_share_the_work(
    database: dict[str, Any], broker: Broker, tmp_path: Path
) -> None:
    """Each message is sent by one of them, in the order of the calls as far as one relay goes."""
    project = DjangoProject({"default": database}, broker.url, tmp_path)
    project.manage("order", "first")
    relays = [project.start("relay_outbox") for _ in range(2)]
    (closed_port,) = free_ports(1)
    away = f"amqp://127.0.0.1:{closed_port}//"
    project.manage("order", "last", "--many", str(BACKLOG - 1), broker_url=away)

    wait_until(lambda: broker.waiting() > BACKLOG, what="all are published", timeout_seconds=60)

    for relay in relays:
        relay.send_signal(signal.SIGTERM)
    said = [relay.communicate(timeout=20)[0] for relay in relays]
    assert [relay.returncode for relay in relays] == [0, 0]
    shares = [sum(map(int, re.findall(r"Published (\d+)", each))) for each in said]
    assert sum(shares) == BACKLOG
    if "sqlite" not in database["ENGINE"]:  # which lets one write, and the other wait or try later
        assert min(shares) > 0, "one relay did it all"
    sent = ids(broker)
    assert len(sent) == len(set(sent)) == BACKLOG + 1
    assert project.outbox() == []


def test_a_message_that_cannot_be_published_holds_up_no_other(
    project: DjangoProject, broker: Broker
) -> None:
    """It is counted, kept and shown with its reason; the command ends with exit code 1."""
    project.manage("order", "1", "2", "3", "--exchange", "no-such-exchange")
    assert broker.waiting() == 0, "the first one was published"

    wait_until_due(project)
    said = project.manage("relay_outbox", "--once", exit_code=1)

    assert broker.waiting() == 2
    assert "1 stay, 1 of them failed before" in said
    (message,) = project.outbox()
    assert message["attempts"] == 1
    assert "no-such-exchange" in str(message["error"])


def test_a_broker_that_is_away_is_named(project: DjangoProject) -> None:
    """The command ends with one line that says which broker, its password masked, and why."""
    away = {"CELERY_BROKER_URL": "amqp://me:secret@127.0.0.1:1//"}
    project.manage("order", "1", **away)
    wait_until_due(project)

    said = project.manage("relay_outbox", "--once", exit_code=1, **away)

    assert "Cannot reach the broker amqp://me:**@127.0.0.1:1//: " in said
    assert "Traceback" not in said


def wait_until_due(project: DjangoProject) -> None:
    """Return once a relay may take every message of the outbox."""
    due = max(datetime.fromisoformat(str(each["retry_at"])) for each in project.outbox())
    wait_until(lambda: datetime.now(timezone.utc) >= due, what=f"it is {due}")


def ids(broker: Broker) -> list[str]:
    """Return the task ids of the waiting messages."""
    with broker.connect() as connection:
        taken = connection.channel().consume("task_queue", auto_ack=True, inactivity_timeout=1)
        return [properties.headers["id"] for _, properties, _ in iter(lambda: next(taken), END)]

"""``python -m proj.producer``, as a user runs it."""

from __future__ import annotations

import json

import pytest

from tests.integration.conftest import AnyBroker
from tests.support.broker import Broker
from tests.support.ports import free_ports
from tests.support.producer import run_producer

pytestmark = pytest.mark.own_machine


def test_ten_messages_are_sent_and_waiting(any_broker: AnyBroker) -> None:
    """Without arguments it enqueues ``Message 0`` to ``Message 9``, and says so line by line."""
    done = run_producer(broker_url=any_broker.url)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f" [x] Sent 'Message {n}'\n" for n in range(10))
    assert any_broker.waiting() == 10


def test_a_message_is_a_celery_task_in_json(broker: Broker) -> None:
    """What it enqueues is a call of ``process_message`` with the text as its argument."""
    run_producer("Resize photo 7...", broker_url=broker.url)
    properties, body = broker.peek()

    assert properties.content_type == "application/json"
    assert properties.headers["task"] == "tasks.messages.process_message"
    assert json.loads(body)[0] == ["Resize photo 7..."]


def test_messages_of_ones_own_replace_the_ten(any_broker: AnyBroker) -> None:
    """Arguments are the messages."""
    done = run_producer("Resize photo 7...", "Second", broker_url=any_broker.url)

    assert done.stdout == " [x] Sent 'Resize photo 7...'\n [x] Sent 'Second'\n"


def test_count_says_how_many(any_broker: AnyBroker) -> None:
    """``--count`` changes the number of messages; 0 is none and no error."""
    assert run_producer("--count", "3", broker_url=any_broker.url).stdout.count("Sent") == 3
    assert run_producer("--count", "0", broker_url=any_broker.url).returncode == 0
    assert any_broker.waiting() == 3


def test_a_large_count_is_sent_many_at_once_with_a_bar(any_broker: AnyBroker) -> None:
    """From a thousand on it shows how far it is, and how fast it was; all of them wait."""
    done = run_producer("--count", "1200", broker_url=any_broker.url)

    assert done.returncode == 0, done.stderr
    assert f"[{'#' * 40}] 1,200 of 1,200 sent" in done.stdout
    assert "Sent 1,200 messages in" in done.stdout
    assert any_broker.waiting() == 1200


@pytest.mark.parametrize("arguments", [["--count", "-1"], ["--count", "ten"], ["--no-such"]])
def test_wrong_usage_is_told_in_a_line(arguments: list[str]) -> None:
    """A wrong argument ends with code 2 and the usage, not with a traceback."""
    done = run_producer(*arguments, broker_url="amqp://127.0.0.1:1//")

    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("mode", [[], ["--plain"]])
def test_no_broker_is_one_line_with_the_password_masked(mode: list[str]) -> None:
    """With no broker it says which, why and what to do, and exits with 1."""
    (port,) = free_ports(1)
    done = run_producer(*mode, broker_url=f"amqp://me:s3cret@127.0.0.1:{port}//")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"amqp://me:**@127.0.0.1:{port}//" in done.stderr
    assert "Connection refused" in done.stderr
    assert "CELERY_BROKER_URL" in done.stderr
    assert "s3cret" not in done.stderr


def test_wrong_settings_are_all_told_without_a_traceback(any_broker: AnyBroker) -> None:
    """A wrong setting from the environment is told before anything is sent."""
    done = run_producer(broker_url=any_broker.url, environment={"WORK_QUEUE_OWNERSHIP": "mine"})

    assert done.returncode == 1
    assert "WORK_QUEUE_OWNERSHIP: expected 'arguments' or 'policy', found 'mine'" in done.stderr
    assert "Traceback" not in done.stderr
    assert any_broker.waiting() == 0

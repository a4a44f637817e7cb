"""What ``doctor`` finds about the queues of a broker: each appears, and its remedy ends it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from proj.doctor.fixing import fix
from proj.doctor.live import route
from proj.doctor.live.broker import publish
from proj.doctor.live.queue import (
    dead_letters_waiting,
    no_consumer,
    policy_differs,
    queue_differs,
    queue_missing,
)
from proj.doctor.live.reached import Reached
from proj.doctor.live.route import dead_letter_route_broken, delays_undeclared
from tests.support.doctor_scene import looking
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

Looking: TypeAlias = Callable[..., AbstractContextManager[Reached]]


pytest_plugins = ["tests.support.doctor_fixtures"]


@pytest.fixture
def on_rabbitmq(url: str) -> Looking:
    """Look at a work queue of its own on RabbitMQ."""
    return partial(looking, url)


@pytest.fixture(params=["classic", "quorum", "embedded"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Looking:
    """Look at a work queue of its own wherever the same is found."""
    if request.param == "embedded":
        return partial(looking, f"sqlite:///{tmp_path / 'task_queue.db'}")
    return partial(looking, request.getfixturevalue("url"), work_queue_type=request.param)


DIFFERENCE = re.compile(r"Queue '.*' has (\S+) = (\S+), and the configuration says (\S+)")


def declare(reached: Reached, queue: str, **arguments: Any) -> None:
    """Declare ``queue`` durable, with ``x_max_length=1`` for ``x-max-length``."""
    told = {name.replace("_", "-"): value for name, value in arguments.items()}
    with reached.connection.channel() as channel:
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=told)


def send(reached: Reached, queue: str, *ids: str) -> None:
    """Publish a message with each of ``ids`` to ``queue``."""
    with reached.connection.channel() as channel:
        for each in ids:
            publish(channel, queue, message_id=each)


def taken(reached: Reached, queue: str) -> list[str]:
    """Take all messages of ``queue`` for good; return their ids."""
    found = []
    with reached.connection.channel() as channel:
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            found.append(channel.message_to_python(message).properties["message_id"])
    return found


def test_missing_queues_are_found_and_declared_by_fix(anywhere: Looking) -> None:
    """``--fix`` declares both queues as a worker would; then nothing is missing, or differs."""
    with anywhere() as reached:
        assert queue_missing(reached) == [repr(reached.queue), repr(reached.dead_letters)]

        declared = fix(reached.examined.app)

        assert {repr(reached.queue), repr(reached.dead_letters)} <= set(declared)
        assert queue_missing(reached) == []
        assert queue_differs(reached) == []
        assert fix(reached.examined.app) == []


def test_the_probe_goes_round_and_disturbs_nothing(anywhere: Looking) -> None:
    """It passes other letters by, is taken back, and leaves no queue and no change behind."""
    with anywhere() as reached:
        fix(reached.examined.app)
        send(reached, reached.dead_letters, "first", "second")
        send(reached, reached.queue, "work")

        assert dead_letter_route_broken(reached) is None

        assert reached.counts(reached.queue) == (1, 0)
        assert taken(reached, reached.dead_letters) == ["first", "second"]


def test_the_probe_leaves_no_queue_behind(on_rabbitmq: Looking, node: RabbitMQ) -> None:
    """Its private queue is deleted as soon as the probe is back."""
    with on_rabbitmq() as reached:
        fix(reached.examined.app)
        assert dead_letter_route_broken(reached) is None

        queues = node.management.call("GET", "/queues?columns=name")

        assert not [each for each in queues if "doctor" in each["name"]]


def test_a_dead_letter_queue_that_keeps_nothing_is_found(
    on_rabbitmq: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe that does not arrive is told; in a queue that keeps it, it arrives."""
    monkeypatch.setattr(route, "ROUND_SECONDS", 0.5)
    with on_rabbitmq(work_queue_type="classic") as reached:
        declare(reached, reached.dead_letters, x_max_length=0)
        declare(reached, reached.queue)

        assert dead_letter_route_broken(reached) == (
            f"{reached.dead_letters!r} had none after 0.5 s"
        )

        with reached.connection.channel() as channel:
            channel.queue_delete(reached.dead_letters)
        declare(reached, reached.dead_letters)
        assert dead_letter_route_broken(reached) is None


def test_each_difference_of_a_queue_is_told_with_both_values(on_rabbitmq: Looking) -> None:
    """All of them, by AMQP alone, and the queue stays as it was; ``fix`` leaves it too."""
    with on_rabbitmq() as reached:
        queue = reached.queue
        arguments = {"x_queue_type": "classic", "x_max_length": 100, "x_overflow": "drop-head"}
        declare(reached, queue, **arguments, x_dead_letter_exchange="elsewhere")
        declare(reached, reached.dead_letters, x_queue_type="quorum")

        found = queue_differs(reached)

        # A classic queue compares no x-dead-letter-strategy on some releases.
        assert {
            ("x-dead-letter-exchange", "elsewhere", "''"),
            ("x-dead-letter-routing-key", "none", reached.dead_letters),
            ("x-max-length", "100", "none"),
            ("x-overflow", "drop-head", "reject-publish"),
            ("x-queue-type", "classic", "quorum"),
        } <= {DIFFERENCE.fullmatch(each).groups() for each in found}  # type: ignore[union-attr]
        assert fix(reached.examined.app) == []
        assert queue_differs(reached) == found


def test_a_queue_that_nobody_reads_is_found(anywhere: Looking) -> None:
    """With a consumer it is none; how many messages wait is told."""
    with anywhere() as reached:
        fix(reached.examined.app)
        send(reached, reached.queue, "work")
        assert no_consumer(reached) == f"{reached.queue!r}, where 1 messages wait"

        with reached.connection.channel() as channel:
            channel.basic_consume(reached.queue, callback=lambda _: None)
            assert no_consumer(reached) is None


def test_dead_letters_that_nobody_reads_are_found(anywhere: Looking) -> None:
    """They are told by their number, and are none once they are gone."""
    with anywhere() as reached:
        fix(reached.examined.app)
        assert dead_letters_waiting(reached) is None

        send(reached, reached.dead_letters, "first", "second")

        assert dead_letters_waiting(reached) == f"2 dead letters in {reached.dead_letters!r}"


def test_missing_delays_are_found_and_bound_by_fix(on_rabbitmq: Looking) -> None:
    """Without the exchanges, a producer that cannot declare has no way for a delayed task."""
    with on_rabbitmq() as reached:
        with reached.connection.channel() as channel:
            channel.exchange_delete("celery_delayed_delivery")
        assert (
            delays_undeclared(reached) == ["'celery_delayed_delivery'"]
            or len(delays_undeclared(reached)) == 2
        )

        assert "'celery_delayed_delivery'" in fix(reached.examined.app)
        assert delays_undeclared(reached) == []


def test_a_policy_that_dead_letters_elsewhere_is_found(url: str, node: RabbitMQ) -> None:
    """Under ownership ``policy`` the management API tells what the policy gives the queue."""
    api = f"http://127.0.0.1:{node.management_port}"
    host = url.rpartition("/")[2]
    options = {"work_queue_ownership": "policy", "work_queue_management_url": api}
    with looking(url, **options) as reached:
        fix(reached.examined.app)
        assert len(policy_differs(reached)) == 2

        node.management.call(
            "PUT",
            f"/policies/{host}/test-{secrets.token_hex(2)}",
            {
                "pattern": f"^{reached.queue}$",
                "apply-to": "queues",
                "definition": {
                    "dead-letter-exchange": "",
                    "dead-letter-routing-key": reached.dead_letters,
                },
            },
        )
        wait_until(
            partial(policy_differs, reached),
            lambda found: not found,
            what="the management API shows the policy",
        )

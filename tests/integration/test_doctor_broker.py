"""What ``doctor`` finds about the broker itself: each appears, and its remedy ends it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from proj.broker.channel import Channel
from proj.doctor.examining import examine
from proj.doctor.fixing import fix
from proj.doctor.live import broker
from proj.doctor.live import reached as reaching
from proj.doctor.live.broker import (
    broker_alarm,
    confirms_unanswered,
    mandatory_unanswered,
    version_unsupported,
)
from proj.doctor.live.cluster import dead_letters_dropped, node_down, room_short
from proj.doctor.live.queue import queue_differs
from proj.doctor.live.route import dead_letter_route_broken
from tests.support.doctor_scene import app_with, found, looking
from tests.support.proxy import Proxy
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

pytest_plugins = ["tests.support.doctor_fixtures"]
pytestmark = pytest.mark.usefixtures("no_workers")


def test_a_sound_broker_has_no_findings(url: str) -> None:
    """It is of a supported release, confirms, returns what no queue takes, and has no alarm."""
    with looking(url) as reached:
        assert version_unsupported(reached) is None
        assert confirms_unanswered(reached) is None
        assert mandatory_unanswered(reached) is None
        assert broker_alarm(reached) is None


def test_an_old_release_is_found(url: str) -> None:
    """The release is the broker's own word; before 3.10 nothing was proved."""
    with looking(url) as reached:
        assert (reached.examined.version or ()) >= (3, 10)

        reached.examined.version = (3, 9, 29)

        assert version_unsupported(reached) == "3.9.29"


def test_a_release_that_waits_as_long_as_asked_ends_a_finding(url: str) -> None:
    """What the broker told counts for the configuration: a long limit is fine from 4.3 on."""
    with looking(url, task_time_limit=7_200) as reached:
        is_fine = (reached.examined.version or ()) >= (4, 3)

        names = {each.name for each in examine(reached.examined.app)}

        assert ("time-limit-beyond-consumer-timeout" in names) is not is_fine


def test_a_broker_that_is_away_is_found_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A closed port is one finding; what the configuration tells is still told."""
    monkeypatch.setattr(reaching, "CONNECT_SECONDS", 0.5)
    app = app_with({"broker_url": "amqp://me:s3cret@127.0.0.1:1//", "task_acks_late": False})

    told = examine(app)

    assert {each.name for each in told} == {"broker-unreachable", "early-acknowledgement"}
    assert "amqp://me:**@127.0.0.1:1//" in told[1].fact
    assert "s3cret" not in str(told)


def test_a_broker_that_is_silent_is_found(
    url: str, node: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes the connection and never answers is given up."""
    monkeypatch.setattr(reaching, "CONNECT_SECONDS", 0.5)
    with Proxy(node.port) as proxy:
        proxy.hold()

        assert found(app_with({"broker_url": proxy.url(url)}), "broker-unreachable")
        assert proxy.held_bytes > 0


def test_a_refused_login_is_found(url: str) -> None:
    """A wrong password, and a virtual host that is not there, are told as what they are."""
    wrong = url.replace("guest:guest", "guest:s3cret")

    (told,) = found(app_with({"broker_url": wrong}), "login-refused")
    assert "ACCESS_REFUSED" in told
    assert "s3cret" not in told
    assert found(app_with({"broker_url": f"{url}-nowhere"}), "login-refused")


def test_confirms_that_do_not_come_are_found(
    url: str, node: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that lets no answer pass: the check gives up at its deadline, and tells it."""
    monkeypatch.setattr(broker, "ANSWER_SECONDS", 0.5)
    publish = broker.publish
    with Proxy(node.port) as proxy, looking(proxy.url(url)) as reached:

        def publish_without_answer(*arguments: Any) -> None:
            proxy.hold_answers()
            publish(*arguments)

        monkeypatch.setattr(broker, "publish", publish_without_answer)

        assert confirms_unanswered(reached)
        assert proxy.held_bytes > 0
        proxy.resume()


def test_a_broker_that_returns_nothing_is_found(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the flag mandatory does not arrive, a message to nowhere is confirmed."""
    real = Channel.basic_publish_confirm

    def without_mandatory(self: Any, message: Any, **options: Any) -> Any:
        return real(self, message, **{**options, "mandatory": False})

    monkeypatch.setattr(Channel, "basic_publish_confirm", without_mandatory)
    with looking(url) as reached:
        told = mandatory_unanswered(reached)

        assert told
        assert told.startswith("'celeryev.doctor.")


def test_an_alarm_is_found_and_ends(url: str, node: RabbitMQ) -> None:
    """The broker tells the connection that publishes; afterwards nothing hangs, or is told."""
    node.control("set_vm_memory_high_watermark", "absolute", "1")
    try:
        with looking(url) as reached:
            fix(reached.examined.app)
            assert confirms_unanswered(reached) is None
            assert "memory" in str(broker_alarm(reached))
            assert mandatory_unanswered(reached) is None
            assert dead_letter_route_broken(reached) is None
    finally:
        node.control("set_vm_memory_high_watermark", "0.4")
    with looking(url) as reached:
        wait_until(
            lambda: (confirms_unanswered(reached), reached.connection.blocked_because),
            lambda told: told == (None, None),
            what="the alarm is over",
        )


def test_limits_of_the_dead_letter_queue_are_found(url: str, api: str) -> None:
    """Whatever lets the broker remove a letter by itself."""
    with looking(url, work_queue_management_url=api) as reached:
        arguments = {"x-max-length": 5, "x-queue-type": "classic"}
        with reached.connection.channel() as channel:
            channel.queue_declare(
                reached.dead_letters, durable=True, auto_delete=False, arguments=arguments
            )
        assert dead_letters_dropped(reached) == "max-length = 5"

        with reached.connection.channel() as channel:
            channel.queue_delete(reached.dead_letters)
            channel.queue_declare(reached.dead_letters, durable=True)
        wait_until(
            partial(dead_letters_dropped, reached),
            lambda told: told is None or not told,
            what="the queue has no limit",
        )


@pytest.mark.needs_rabbitmq_4_3
def test_a_dead_letter_queue_of_an_earlier_release_is_found(url: str, api: str) -> None:
    """It has the default delivery limit, and is not called another queue than described."""
    with looking(url, work_queue_management_url=api) as reached:
        arguments = {"x-queue-type": "quorum"}
        with reached.connection.channel() as channel:
            channel.queue_declare(
                reached.dead_letters, durable=True, auto_delete=False, arguments=arguments
            )

        assert dead_letters_dropped(reached) == "delivery-limit = 20"
        assert queue_differs(reached) == []

        with reached.connection.channel() as channel:
            channel.queue_delete(reached.dead_letters)
        fix(reached.examined.app)
        wait_until(
            partial(dead_letters_dropped, reached),
            lambda told: not told,
            what="the queue has no limit",
        )


def test_the_nodes_of_a_sound_broker_are_fine(url: str, api: str) -> None:
    """What the API tells of a node that runs and has room is understood."""
    with looking(url, work_queue_management_url=api) as reached:
        assert reached.management
        assert reached.management.get("/nodes")[0]["running"] is True
        assert node_down(reached) == []
        # After the test of an alarm the API's numbers are a few seconds old.
        wait_until(partial(room_short, reached), lambda told: not told, what="the node has room")


def test_an_api_that_does_not_answer_is_found_once(url: str) -> None:
    """The other checks go on without it."""
    app = app_with({"broker_url": url, "work_queue_management_url": "http://me:s3cret@127.0.0.1:1"})

    (told,) = found(app, "management-unreadable")

    assert "me:**@127.0.0.1:1" in told
    assert "s3cret" not in told

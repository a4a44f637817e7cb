"""What the broker itself gives up lies in the same queue, and reads like every other letter."""

from __future__ import annotations

from functools import partial

import kombu
import pytest

from proj.dead_letters.reasons import Reason
from proj.errors import QueueMismatch
from proj.settings import Settings
from proj.topology.declaring import declare
from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until

pytest_plugins = ["tests.support.settlement_fixtures"]

OTHER = {"classic": "quorum", "quorum": "classic"}
LIMIT = {"classic": {}, "quorum": {"x-delivery-limit": 7}}


def test_a_message_whose_time_to_live_is_over_is_a_letter(scene: Scene) -> None:
    """No worker was there in time: the broker's letter has reason, queue, task and time too."""
    scene.broker.send(b"late", expiration="100", headers={"task": "note"}, delivery_mode=2)

    ((letter, _, body),) = scene.wait_letters()

    assert letter.reason is Reason.EXPIRED
    assert (letter.queue, letter.task) == (scene.queue, "note")
    assert letter.when is not None
    assert body == b"late"


def test_a_message_that_another_consumer_rejects_is_a_letter(scene: Scene) -> None:
    """A client that is not ours says no, and means for good."""
    scene.broker.send(b"unwanted", delivery_mode=2)
    method, _, _ = scene.broker.channel.basic_get(scene.queue)
    scene.broker.channel.basic_reject(method.delivery_tag, requeue=False)

    ((letter, _, body),) = scene.wait_letters()

    assert letter.reason is Reason.REJECTED
    assert letter.queue == scene.queue
    assert body == b"unwanted"


def test_a_letter_does_not_end_with_the_time_to_live_of_its_original(scene: Scene) -> None:
    """The dead-letter queue keeps what failed, for longer than anybody wanted it run."""
    scene.send("note", "good")
    scene.broker.send(b"\xff no text", expiration="60000", delivery_mode=2)
    scene.worker()

    ((letter, properties, _),) = scene.wait_letters()

    assert letter.reason is Reason.UNDECODABLE
    assert properties.expiration is None
    assert properties.headers["x-dead-letter-expiration"] == "60000"


def test_a_letter_outlives_any_number_of_holders_that_are_lost(scene: Scene) -> None:
    """RabbitMQ 4 drops a quorum queue's message at the 21st; not from our dead-letter queue."""
    scene.broker.send(b"late", expiration="100", delivery_mode=2)
    wait_until(lambda: scene.broker.waiting(scene.broker.letters_queue), what="the letter is there")
    for _ in range(25):
        holder = scene.broker.connection.channel()
        # A closed channel's letter is back a moment later.
        wait_until(
            partial(holder.basic_get, scene.broker.letters_queue),
            lambda got: got[0] is not None,
            what="a letter is held",
        )
        holder.close()

    ((letter, _, _),) = scene.wait_letters()
    assert letter.reason is Reason.EXPIRED


def test_a_dead_letter_queue_that_an_earlier_release_made_is_used_as_it_is(scene: Scene) -> None:
    """After an upgrade of the broker it has another limit than we would give it now."""
    letters_queue = scene.broker.letters_queue
    scene.broker.channel.queue_delete(letters_queue)
    scene.broker.channel.queue_declare(
        letters_queue, durable=True, arguments={"x-queue-type": scene.type, **LIMIT[scene.type]}
    )

    with kombu.Connection(scene.url) as connection:
        declare(connection, Settings(name=scene.queue, type=scene.type))
        with pytest.raises(QueueMismatch, match="x-queue-type"):
            declare(connection, Settings(name=scene.queue, type=OTHER[scene.type]))

"""What the broker itself gives up lies in the same queue, and reads like every other letter."""

from __future__ import annotations

from proj.dead_letters.reasons import Reason
from tests.support.settlement_scene import Scene

pytest_plugins = ["tests.support.settlement_fixtures"]


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

"""Dead-lettering is safe: where no queue takes the letter, the original stays, and work goes on."""

from __future__ import annotations

from proj.dead_letters.reasons import Reason
from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until

pytest_plugins = ["tests.support.settlement_fixtures"]


def test_letters_wait_in_the_work_queue_while_the_dead_letter_queue_is_gone(scene: Scene) -> None:
    """With one process and prefetch one, the messages behind run; none is begun twice."""
    worker = scene.worker(concurrency=1)
    scene.broker.channel.queue_delete(scene.broker.letters_queue)

    for number in range(3):
        scene.send("fail", f"failure-{number}")
    for number in range(5):
        scene.send("note", f"after-{number}")

    for number in range(5):
        scene.wait_begun(f"after-{number}")
    worker.wait_for_log(r"CRITICAL.*does not take a copy.*there is no queue")
    assert worker.log().count("does not take a copy") == 1, "said once a minute, not each time"

    scene.broker.channel.queue_declare(
        scene.broker.letters_queue, durable=True, arguments={"x-queue-type": scene.type}
    )
    letters = scene.wait_letters(3)
    assert {(letter.reason, letter.attempts) for letter, _, _ in letters} == {(Reason.FAILED, 1)}
    assert set(scene.begun().values()) == {1}
    worker.wait_for_log("takes dead letters again")
    wait_until(scene.broker.waiting, lambda count: count == 0, what="the work queue is empty")


def test_letters_wait_while_the_dead_letter_queue_is_full(scene: Scene) -> None:
    """A queue that refuses is no loss either: the letter arrives once there is room."""
    worker = scene.worker(concurrency=2)
    letters_queue = scene.broker.letters_queue
    scene.broker.channel.queue_delete(letters_queue)
    scene.broker.channel.queue_declare(
        letters_queue,
        durable=True,
        arguments={"x-queue-type": "classic", "x-max-length": 1, "x-overflow": "reject-publish"},
    )
    scene.broker.send(b"fills the queue", routing_key=letters_queue)

    scene.send("fail", "failure")
    scene.send("note", "after")
    worker.wait_for_log(r"CRITICAL.*does not take a copy.*refuses")
    scene.wait_begun("after")

    assert scene.broker.take(letters_queue) is not None, "the queue was full"
    ((letter, _, _),) = scene.wait_letters()
    assert (letter.reason, letter.attempts) == (Reason.FAILED, 1)


def test_a_worker_that_dies_with_a_letter_in_its_hand_loses_nothing(scene: Scene) -> None:
    """What could not be dead-lettered is still the broker's: the next worker is given it."""
    worker = scene.worker("first", concurrency=1)
    scene.broker.channel.queue_delete(scene.broker.letters_queue)
    scene.send("fail", "failure")
    worker.wait_for_log("does not take a copy")
    worker.kill()

    # The next worker declares the dead-letter queue again.
    scene.worker("second", concurrency=1)

    ((letter, _, _),) = scene.wait_letters()
    assert (letter.reason, letter.attempts) == (Reason.FAILED, 2)
    assert scene.begun() == {"failure": 2}

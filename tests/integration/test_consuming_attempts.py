"""The attempts limit: a message that ends its worker each time is begun so often and no more."""

from __future__ import annotations

import signal

from proj.dead_letters.reasons import Reason
from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until
from tests.support.worker import Worker

pytest_plugins = ["tests.support.settlement_fixtures"]


def test_a_message_that_kills_the_whole_worker_is_begun_five_times(any_scene: Scene) -> None:
    """Nobody is left to write a count down, on a classic queue not even the broker; still, five."""
    task_id = any_scene.send("kill_worker", "killer")
    for number in range(3):
        any_scene.send("note", f"neighbour-{number}")

    waiting, letters_queue = any_scene.broker.waiting, any_scene.broker.letters_queue
    deaths = 0
    for number in range(10):
        worker = any_scene.worker(f"w{number}", ready=False)
        wait_until(
            lambda worker=worker: has_ended(worker) or waiting(letters_queue),  # type: ignore[misc]
            what="the worker is dead, or the message a dead letter",
        )
        if not has_ended(worker):
            break
        deaths += 1

    ((letter, _, _),) = any_scene.wait_letters()
    assert deaths == 5
    assert any_scene.begun()["killer"] == 5
    assert letter.reason is Reason.ATTEMPTS_EXHAUSTED
    assert letter.attempts == 5
    assert '"FAILURE"' in any_scene.result(task_id)
    for number in range(3):
        any_scene.wait_begun(f"neighbour-{number}")


def test_a_count_from_elsewhere_is_not_believed_blindly(any_scene: Scene) -> None:
    """Headers of a count that a client or a shovel brought along neither shield nor condemn."""
    any_scene.send("note", "forged-broker-count", **{"x-delivery-count": 9_000})
    any_scene.send("note", "forged-text", **{"x-attempts": "many", "x-delivery-count": "few"})
    any_scene.send("note", "forged-negative", **{"x-attempts": -7})
    any_scene.worker()

    for name in ("forged-broker-count", "forged-text", "forged-negative"):
        any_scene.wait_begun(name)
    any_scene.wait_empty()
    assert not any_scene.broker.take_letters()


def test_the_limit_counts_what_earlier_copies_told(any_scene: Scene) -> None:
    """A message begun four times before has one attempt left."""
    any_scene.send("kill_process", "fifth", **{"x-attempts": 4})
    any_scene.send("kill_process", "none-left", **{"x-attempts": 5})
    worker = any_scene.worker()

    letters = any_scene.wait_letters(2)

    assert {letter.attempts for letter, _, _ in letters} == {5}
    assert any_scene.begun() == {"fifth": 1}
    worker.signal(signal.SIGTERM)
    assert worker.wait_end(10) == 0, "nothing runs any more that a stop would wait for"


def has_ended(worker: Worker) -> bool:
    """Return whether the worker's main process is gone."""
    return worker.process is not None and worker.process.poll() is not None

"""Ownership ``policy``: both queues declared bare, dead-lettering and limits from a broker policy.

One worker meets every way in which a task can end: what it gives up and what the broker gives up
lie in the same dead-letter queue, as with ownership ``arguments``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from proj.dead_letters.reasons import Reason
from tests.support.rabbitmq import RabbitMQ
from tests.support.settlement_scene import Scene

ENDINGS = {
    "fail": (Reason.FAILED, 1),
    "fail_early": (Reason.FAILED, 1),
    "retry": (Reason.FAILED, 3),
    "refuse": (Reason.REJECTED, 1),
    "too_long": (Reason.TIME_LIMIT, 1),
    "too_long_softly": (Reason.TIME_LIMIT, 1),
    "two_arguments": (Reason.INVALID_ARGUMENTS, 0),
    "ask_again": (Reason.ATTEMPTS_EXHAUSTED, 5),
    "kill_process": (Reason.ATTEMPTS_EXHAUSTED, 5),
    "kill_process_twice": (Reason.ATTEMPTS_EXHAUSTED, 2),
    "exit_process": (Reason.ATTEMPTS_EXHAUSTED, 5),
    "tasks.of.another.release": (Reason.UNKNOWN_TASK, 0),
}
"""Task -> the reason of its dead letter, and how often it began."""

DONE = {"note": 1, "ignore": 1, "fail_forgotten": 1}


@pytest.fixture(scope="module", params=["classic", "quorum"])
def scene(node: RabbitMQ, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Set a scene in a virtual host with this default queue type, and the documented policy."""
    host = f"test-{secrets.token_hex(4)}"
    node.add_virtual_host(host, default_queue_type=request.param)
    with Scene(node.url(host), request.param, ownership="policy") as here:
        policy = {"dead-letter-exchange": "", "dead-letter-routing-key": here.broker.letters_queue}
        if here.type == "quorum":
            # RabbitMQ passes over the whole policy for a queue that does not know a part of it.
            policy |= {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}
        owner = ("set_policy", "-p", host, "--apply-to", "queues", "work_queue")
        node.control(*owner, f"^{here.queue}$", json.dumps(policy))
        yield here
    node.management.delete_virtual_host(host)


def test_what_the_broker_gives_up_by_the_policy_is_a_letter_too(scene: Scene) -> None:
    """Its time to live is over, or a client that is not ours rejects it: nobody dropped it."""
    scene.broker.send(b"late", expiration="100", delivery_mode=2)
    ((late, _, _),) = scene.wait_letters()
    scene.broker.send(b"unwanted", delivery_mode=2)
    method, _, _ = scene.broker.channel.basic_get(scene.queue)
    scene.broker.channel.basic_reject(method.delivery_tag, requeue=False)

    ((rejected, _, _),) = scene.wait_letters()

    assert (late.reason, rejected.reason) == (Reason.EXPIRED, Reason.REJECTED)
    assert late.queue == rejected.queue == scene.queue


def test_every_ending_is_what_it_is_with_a_queue_of_ours(scene: Scene, node: RabbitMQ) -> None:
    """Each is one letter with its reason, begun as often as it may be; or acknowledged."""
    queue = node.management.queue(scene.url.rpartition("/")[2], scene.queue)
    assert set(queue["arguments"]) <= {"x-queue-type"}, "declared bare"
    assert queue["type"] == scene.type
    for task in (*DONE, *ENDINGS):
        scene.send(task, task)
    scene.send("note", "late", expires="2020-01-01T00:00:00+00:00")
    scene.broker.send(b"\xff no text", delivery_mode=2)
    scene.worker(concurrency=2)

    letters = scene.wait_letters(len(ENDINGS) + 2, timeout_seconds=90)

    reasons = {task: reason for task, (reason, _) in ENDINGS.items()}
    assert {letter.task: letter.reason for letter, _, _ in letters} == {
        **reasons,
        "note": Reason.EXPIRED,
        None: Reason.UNDECODABLE,
    }
    runs = {task: runs for task, (_, runs) in ENDINGS.items() if runs}
    assert scene.begun() == {**DONE, **runs}
    assert {letter.queue for letter, _, _ in letters} == {scene.queue}
    scene.wait_empty()

"""Every way in which a task can end: acknowledged, tried again, or a dead letter that says why."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import celery
import kombu
import pytest

from proj.dead_letters.reasons import Reason
from tests.support.dead_letters import app_of
from tests.support.settlement_scene import Scene

pytest_plugins = ["tests.support.settlement_fixtures"]

# Celery stores a failure for a rejected message since 5.7.
CELERY_STORES_NO_FAILURE = {"retry"} | ({"refuse"} if celery.VERSION < (5, 7) else set())


def test_success_and_ignore_are_acknowledged_and_leave_no_letter(any_scene: Scene) -> None:
    """What needs nobody's attention is gone from the broker."""
    any_scene.send("note", "well")
    any_scene.send("ignore", "ignored")
    any_scene.send("ask_again_once", "twice")
    app_of(any_scene).send_task("wait_for_eta", ("delayed",), countdown=0.1)
    any_scene.send("fail_forgotten", "forgotten")
    any_scene.send("fail", "last")
    any_scene.worker()

    (letter, _, _), *others = any_scene.wait_letters()

    assert letter.task == "fail"
    assert not others
    any_scene.wait_begun("twice", 2)
    any_scene.wait_begun("delayed")
    once = dict.fromkeys(("well", "ignored", "delayed", "forgotten", "last"), 1)
    assert any_scene.begun() == {**once, "twice": 2}
    any_scene.wait_empty()


def test_a_failure_is_kept_with_all_that_explains_it_and_its_result_is_failure(
    any_scene: Scene,
) -> None:
    """The letter tells what raised, where, when and how often; the message itself is unchanged."""
    task_id = any_scene.send("fail", "kept", "x" * 10_000, custom="header")
    worker = any_scene.worker()

    ((letter, properties, body),) = any_scene.wait_letters()

    assert letter.reason is Reason.FAILED
    assert (letter.task, letter.queue, letter.attempts) == ("fail", any_scene.queue, 1)
    assert letter.error.exception == "ValueError"
    assert letter.error.message.startswith("xxxx")
    assert "raise ValueError(text)" in letter.error.traceback
    assert worker.process is not None
    assert letter.process_id in (worker.process.pid, *worker.pool_pids())
    assert letter.when is not None
    assert letter.when.utcoffset() is not None
    assert json.loads(body) == [["kept", "x" * 10_000], {}, {}]
    assert properties.headers["custom"] == "header"
    assert properties.correlation_id == task_id
    assert '"FAILURE"' in any_scene.result(task_id)
    assert sum(len(str(value)) for value in properties.headers.values()) < 25_000


@pytest.mark.parametrize(
    ("task", "reason", "runs"),
    [  # own_machine: another one in the list asks the same of the broker
        ("too_long", Reason.TIME_LIMIT, 1),
        pytest.param("too_long_softly", Reason.TIME_LIMIT, 1, marks=pytest.mark.own_machine),
        ("refuse", Reason.REJECTED, 1),
        pytest.param("two_arguments", Reason.INVALID_ARGUMENTS, 0, marks=pytest.mark.own_machine),
        ("retry", Reason.FAILED, 3),
        pytest.param("out_of_memory", Reason.FAILED, 1, marks=pytest.mark.own_machine),
        pytest.param("fail_early", Reason.FAILED, 1, marks=pytest.mark.own_machine),
        ("ask_again", Reason.ATTEMPTS_EXHAUSTED, 5),
        ("kill_process", Reason.ATTEMPTS_EXHAUSTED, 5),
        ("kill_process_twice", Reason.ATTEMPTS_EXHAUSTED, 2),
        pytest.param("segfault", Reason.ATTEMPTS_EXHAUSTED, 5, marks=pytest.mark.own_machine),
        pytest.param("exit_process", Reason.ATTEMPTS_EXHAUSTED, 5, marks=pytest.mark.own_machine),
    ],
)
def test_a_task_that_will_not_end_well_is_one_letter_with_its_reason(
    any_scene: Scene, task: str, reason: Reason, runs: int
) -> None:
    """It ran exactly as often as it may, its result is FAILURE, and its neighbours all ran."""
    neighbours = [f"before-{number}" for number in range(3)]
    for name in neighbours:
        any_scene.send("note", name)
    task_id = any_scene.send(task, "it")
    any_scene.send("note", "after")
    worker = any_scene.worker(concurrency=2)

    ((letter, _, _),) = any_scene.wait_letters()

    assert letter.reason is reason
    assert letter.task == task
    any_scene.wait_begun("after")
    assert any_scene.begun() == {
        **dict.fromkeys([*neighbours, "after"], 1),
        **({"it": runs} if runs else {}),
    }
    if task != "retry":  # Its last run may store its result before the first stores RETRY.
        assert letter.attempts == max(runs, 1)
    if task not in CELERY_STORES_NO_FAILURE:
        assert '"FAILURE"' in any_scene.result(task_id)
    assert worker.process is not None
    assert worker.process.poll() is None, "the worker goes on"


@pytest.mark.parametrize("pool", ["solo", "threads"])
@pytest.mark.parametrize("any_scene", ["embedded"], indirect=True)
def test_a_task_that_exits_in_a_pool_without_processes_is_a_letter_too(
    any_scene: Scene, pool: str
) -> None:
    """It has no process to end: it is counted all the same, and its thread is free again."""
    any_scene.send("exit_process", "it")
    any_scene.send("note", "after")
    any_scene.worker(pool=pool, concurrency=1)

    ((letter, _, _),) = any_scene.wait_letters()

    assert (letter.reason, letter.attempts) == (Reason.ATTEMPTS_EXHAUSTED, 5)
    assert (letter.error.exception, letter.error.message) == ("SystemExit", "3")
    assert any_scene.begun() == {"it": 5, "after": 1}


def test_an_expired_task_is_a_letter_and_its_result_is_revoked(any_scene: Scene) -> None:
    """Too late is worth knowing, to the caller too, whoever enqueued it."""
    past = datetime(2020, 1, 1, tzinfo=timezone.utc)
    theirs = any_scene.send("note", "late", expires=past.isoformat())
    ours = app_of(any_scene).send_task("note", ("late",), expires=past).id
    any_scene.worker()

    letters = any_scene.wait_letters(2)

    assert [letter.reason for letter, _, _ in letters] == [Reason.EXPIRED, Reason.EXPIRED]
    assert not any_scene.begun()
    for task_id in (theirs, ours):
        assert '"REVOKED"' in any_scene.result(task_id)


def test_a_task_that_the_worker_does_not_know_is_a_letter_and_a_failure(any_scene: Scene) -> None:
    """A deployment that forgot a module loses no message."""
    task_id = any_scene.send("tasks.of.another.release", "x")
    any_scene.worker()

    ((letter, _, _),) = any_scene.wait_letters()

    assert letter.reason is Reason.UNKNOWN_TASK
    assert letter.task == "tasks.of.another.release"
    assert '"FAILURE"' in any_scene.result(task_id)


@pytest.mark.parametrize("more", [".mail", ""], ids=["beside the work queue", "as the work queue"])
@pytest.mark.parametrize("any_scene", ["quorum", "embedded"], indirect=True)
def test_a_queue_that_the_app_has_defined_has_dead_letters_too(any_scene: Scene, more: str) -> None:
    """The work queue is not consumed then, or is another's; what belongs to it is needed still."""
    name = any_scene.queue + more
    with kombu.Connection(any_scene.url) as connection:
        for queue in (any_scene.queue, any_scene.broker.letters_queue):
            connection.default_channel.queue_delete(queue)
    any_scene.worker(options=("-Q", name), environment={"TEST_OWN_QUEUE": name})

    any_scene.send("fail", "it", queue=name)

    ((letter, _, _),) = any_scene.wait_letters()
    assert (letter.reason, letter.queue) == (Reason.FAILED, name)


@pytest.mark.parametrize("any_scene", ["quorum", "embedded"], indirect=True)
def test_a_plain_message_whose_task_is_unknown_tells_which(any_scene: Scene) -> None:
    """The name that the setting gives is the letter's task, and what to register."""
    any_scene.broker.send(b"Message 0", delivery_mode=2)
    any_scene.worker(environment={"WORK_QUEUE_PLAIN_MESSAGE_TASK": "tasks.of.another.release"})

    ((letter, _, body),) = any_scene.wait_letters()

    assert (letter.reason, letter.task) == (Reason.UNKNOWN_TASK, "tasks.of.another.release")
    assert body == b"Message 0"


def test_a_result_backend_that_raises_loses_nothing(any_scene: Scene) -> None:
    """A task whose failure, or success, cannot be stored is a letter; the worker goes on."""
    any_scene.send("fail", "unstorable")
    any_scene.send("refuse", "refused")
    any_scene.send("note", "success")
    any_scene.send("note", "next")
    any_scene.worker(environment={"TEST_RESULT_BACKEND": "tests.support.broken_backend:Backend"})

    letters = any_scene.wait_letters(4)

    assert {letter.reason for letter, _, _ in letters} == {Reason.FAILED, Reason.REJECTED}
    assert set(any_scene.begun().values()) == {1}
    any_scene.wait_empty()

"""Chords, early acknowledgements, and tasks that fork."""

from __future__ import annotations

import pytest
from celery import Celery, chord, signature

from proj import plugin
from tests.support.control_scene import ControlScene
from tests.support.waiting import wait_until
from tests.support.worker import Worker


@pytest.fixture(scope="module")
def worker(scene: ControlScene) -> Worker:
    """One worker with two processes, for all tests here."""
    return scene.worker("canvas", concurrency=2)


@pytest.mark.usefixtures("worker")
def test_a_chord_runs_its_body_once_with_every_result(scene: ControlScene) -> None:
    """On a result backend that is a folder of files, where Celery asks again and again."""
    with Celery(broker=scene.url, set_as_current=False) as app:
        app.conf.result_backend = f"file://{scene.folder}/results"
        app.conf.work_queue_name = scene.queue
        plugin.install(app)
        header = [signature("note", (f"header-{number}",), app=app) for number in range(3)]

        result = chord(header, app=app)(signature("gather", app=app))

        assert sorted(result.get(timeout=30)) == ["header-0", "header-1", "header-2"]
    begun = scene.begun()
    assert [begun[f"header-{number}"] for number in range(3)] == [1, 1, 1]
    assert begun["gathered"] == 1
    scene.wait_empty()
    assert not scene.broker.take_letters()


@pytest.mark.usefixtures("worker")
def test_a_message_that_was_acknowledged_early_holds_no_other_back(scene: ControlScene) -> None:
    """Its process takes no other one while it runs: that is free for whoever is idle."""
    scene.send("hold_early", "early")
    early = scene.wait_run("early")
    for number in range(4):
        scene.send("note", f"beside-early-{number}")
        assert scene.wait_run(f"beside-early-{number}").pid != early.pid

    scene.release("early")
    scene.wait_begun("early-ended")
    scene.wait_empty()
    assert scene.begun()["early"] == 1


def test_a_task_that_forks_is_run_and_acknowledged_once(
    scene: ControlScene, worker: Worker
) -> None:
    """The end of its child is not its own end, neither for the worker nor for the broker."""
    process_ids = set(worker.pool_pids())
    for number in range(3):
        task_id = scene.send("fork", f"forks-{number}")
        scene.wait_begun(f"forks-{number}-ended")
        wait_until(lambda each=task_id: '"SUCCESS"' in scene.result(each), what="it succeeded")  # type: ignore[misc]

    scene.send("note", "after-the-forks")
    scene.wait_begun("after-the-forks")
    scene.wait_empty()
    assert [scene.begun()[f"forks-{number}"] for number in range(3)] == [1, 1, 1]
    assert set(worker.pool_pids()) == process_ids
    assert worker.log().count("Connected to") == 1
    assert not scene.broker.take_letters()

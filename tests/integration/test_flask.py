"""A Flask application with the work queue: its configuration, its context, its worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import celery
import pytest
from celery import _state, shared_task
from flask import Flask, current_app, g

from proj.contrib.flask import Task, init_app
from proj.contrib.testing.embedded_app import on_embedded_broker
from proj.contrib.testing.work_queue import WorkQueue
from proj.errors import SettingsError
from tests.integration.conftest import AnyBroker, WorkerFactory
from tests.support.documents import write_programs

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    """Make a Flask application with the work queue; what Celery keeps of it is put back."""
    shared = set(_state._on_app_finalizers)  # noqa: SLF001 - a shared task is every app's, for good
    default, current = _state.default_app, _state._tls.current_app  # noqa: SLF001 - to put it back

    def make(name: str, **config: Any) -> Flask:
        app = Flask(name)
        app.config.update({"CELERY_RESULT_BACKEND": "cache+memory://", **config})
        init_app(app)
        return app

    yield make
    _state._on_app_finalizers.intersection_update(shared)  # noqa: SLF001 - as above
    _state.set_default_app(default)
    _state._set_current_app(current)  # noqa: SLF001 - set_current() cannot take none


@pytest.fixture
def app(make_app: MakeApp, tmp_path: Path) -> Iterator[Flask]:
    """One application, on a broker file."""
    made = make_app("shop")
    with on_embedded_broker(made.extensions["celery"], tmp_path / "task_queue.db"):
        yield made


def test_the_single_file_of_the_documentation_runs(
    any_broker: AnyBroker, workers: WorkerFactory, tmp_path: Path
) -> None:
    """A request enqueues, is answered 202, and the task runs in the application's context."""
    write_programs("flask.md", tmp_path)
    worker = workers("shop", any_broker.url, app="shop:celery_app", run_from=tmp_path)

    request = "import shop; print(shop.app.test_client().post('/parcels/7').status)"
    done = _run(request, tmp_path, any_broker.url)

    assert done == "202 ACCEPTED\n"
    worker.wait_for_log("shop packed 7")


@pytest.mark.own_machine
def test_the_factory_of_the_documentation_runs(tmp_path: Path, workers: WorkerFactory) -> None:
    """The worker of a factory has the factory's configuration."""
    write_programs("flask.md", tmp_path)
    url = f"sqlite:///{tmp_path / 'task_queue.db'}"
    worker = workers("shop", url, app="factory.worker:celery_app", run_from=tmp_path)

    _run("from factory import worker, tasks; tasks.pack.delay('parcel 1')", tmp_path, url)

    worker.wait_for_log("corner shop packed parcel 1")


@pytest.mark.own_machine
def test_a_broker_that_is_away_is_an_answer_of_the_application(tmp_path: Path) -> None:
    """The view's PublishError comes within the deadline, and becomes a 503 with the reason."""
    write_programs("flask.md", tmp_path)
    request = (
        "import shop; shop.app.config['WORK_QUEUE_PUBLISH_DEADLINE_SECONDS'] = 0.5;"
        "answer = shop.app.test_client().post('/parcels/7'); print(answer.status, answer.text)"
    )

    answer = _run(request, tmp_path, "amqp://guest:secret@127.0.0.1:1//")

    assert answer.startswith("503 SERVICE UNAVAILABLE not accepted, try again: ")
    assert "secret" not in answer


@pytest.mark.own_machine
def test_a_key_of_its_own_goes_before_the_mapping(make_app: MakeApp) -> None:
    """Flask's mapping and Celery's keys are both read, when Celery is first used."""
    app = make_app(
        "shop", CELERY={"broker_url": "amqp://a//", "task_time_limit": 7}, WORK_QUEUE_NAME="parcels"
    )
    app.config["CELERY_BROKER_URL"] = "amqp://b//"
    configuration = app.extensions["celery"].conf

    assert configuration.broker_url == "amqp://b//"
    assert configuration.task_time_limit == 7
    assert configuration.task_default_queue == "parcels"
    assert configuration.task_acks_late is True


@pytest.mark.own_machine
@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"CELERY": "amqp://"}, "CELERY: expected a mapping of settings, found str"),
        ({"WORK_QUEUE_NAM": "x"}, "work_queue_nam: .*did you mean work_queue_name"),
    ],
)
def test_a_wrong_setting_is_one_error(
    make_app: MakeApp, config: dict[str, Any], problem: str
) -> None:
    """What cannot work is told with its key when Celery is first used."""
    app = make_app("shop", **config)

    with pytest.raises(SettingsError, match=problem):
        _ = app.extensions["celery"].conf.task_default_queue


@pytest.mark.own_machine
def test_a_shared_task_belongs_to_the_application_of_the_context(make_app: MakeApp) -> None:
    """Several applications in one process: each context has its own Celery app, nested too."""

    @shared_task(name="flask.whose")
    def whose() -> str:
        return str(current_app.name)

    celery.Celery("other")
    one, two = make_app("one"), make_app("two")

    assert whose.app is two.extensions["celery"]
    with one.app_context():
        assert whose.app is one.extensions["celery"]
        with two.app_context():
            assert whose.app is two.extensions["celery"]
        assert whose.app is one.extensions["celery"]
        assert whose() == "one"
    assert whose.app is two.extensions["celery"]


@pytest.mark.own_machine
def test_an_asynchronous_view_enqueues_for_its_own_application(
    app: Flask, make_app: MakeApp
) -> None:
    """Its task goes to the queue of the view's application, although another was made last."""

    @shared_task(name="flask.whose")
    def whose() -> str:
        return str(current_app.name)

    @app.post("/parcels")
    async def order() -> str:
        return str(whose.delay().id)

    last = make_app("last", CELERY_BROKER_URL="amqp://guest:guest@127.0.0.1:1//")
    assert whose.app is last.extensions["celery"]
    queue = WorkQueue(app.extensions["celery"])

    answer = app.test_client().post("/parcels")

    assert answer.status_code == 200
    queue.assert_enqueued(whose)
    queue.drain()
    assert app.extensions["celery"].AsyncResult(answer.text).get(timeout=1) == "shop"


@pytest.mark.own_machine
def test_each_run_of_a_task_has_a_context_of_its_own(app: Flask) -> None:
    """A worker's task sees the application, nothing of the caller's context, and its own request.

    A plain call stays in the context of its caller.
    """

    @shared_task(name="flask.look", bind=True)
    def look(task: celery.Task) -> tuple[str, bool, bool]:
        return current_app.name, "mine" in g, task.request.called_directly

    with app.app_context():
        g.mine = True
        assert look() == ("shop", True, True)
        result = look.delay()
        WorkQueue(app.extensions["celery"]).drain()

    assert result.get(timeout=1) == ["shop", False, False]


@pytest.mark.own_machine
def test_what_the_teardown_raises_is_the_failure_of_the_task(app: Flask) -> None:
    """A teardown that cannot commit makes a dead letter, of a task with an own base class too."""

    class OwnBase(Task):
        abstract = True

    @app.teardown_appcontext
    def commit(_: BaseException | None) -> None:
        raise OSError("the database is away")

    @shared_task(name="flask.save", base=OwnBase)
    def save() -> None:
        """Leave all the work to the teardown."""

    queue = WorkQueue(app.extensions["celery"])
    save.delay()
    queue.drain()

    [letter] = queue.dead_letters
    assert letter.letter.error.message == "the database is away"


def _run(program: str, folder: Path, broker_url: str) -> str:
    """Return what a program prints that is run in ``folder``, with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env={**os.environ, "CELERY_BROKER_URL": broker_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

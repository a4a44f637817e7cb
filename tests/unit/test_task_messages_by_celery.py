"""What no template may make, because somebody looks or it may differ, Celery makes."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from celery import Celery, Task, group, signals

from proj import plugin, publish_many
from proj.publishing.task_message import compose
from tests.support.task_messages import TASK_ID, by_celery, by_template, make_app


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": 5},
        {"eta": datetime(2030, 1, 1, tzinfo=timezone.utc)},
        {"expires": 60},
        {"headers": {"tenant": 7}},
        {"chain": []},
        {"group_id": "of one message"},
        {"reply_to": "somebody"},
        {"publish_deadline_seconds": 2},
        {"queue": ["no", "constant"]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_may_differ_from_message_to_message_is_left_to_celery(options: dict[str, Any]) -> None:
    """No template is used for an option whose meaning may change between two calls."""
    app = make_app()

    assert app.send_task.templates.message(app.tasks["echo"], (), {}, None, options) is None


def test_a_message_of_protocol_1_is_left_to_celery() -> None:
    """It has its id and arguments in the body, and none of the headers of a template."""
    app = make_app(task_protocol=1)

    assert by_template(app, (1,), {}) is None
    assert by_celery(app, (1,), {}).call["id"] == TASK_ID


def test_a_route_that_looks_at_the_arguments_is_asked_each_time() -> None:
    """A router function sends each message to the queue that its arguments say."""

    def by_argument(_name: str, args: Any, *_: Any, **__: Any) -> dict[str, str]:
        return {"queue": args[0]}

    app = make_app(task_routes=(by_argument,))
    templates, echo = app.send_task.templates, app.tasks["echo"]

    first = templates.message(echo, ("one",), {}, None, {})

    assert first.queue == "one"
    assert templates.message(echo, ("two",), {}, None, {}) is None
    assert by_celery(app, ("two",), {}).queue == "two"


def test_a_changed_setting_counts_for_the_next_message() -> None:
    """What a template keeps of the configuration goes with the configuration."""
    app = make_app()
    assert by_template(app, (1,), {}).sent_event is None  # type: ignore[union-attr]

    app.conf.task_send_sent_event = True
    assert by_template(app, (1,), {}).sent_event is not None  # type: ignore[union-attr]
    app.conf.task_always_eager = True
    assert by_template(app, (1,), {}) is None
    assert app.tasks["echo"].delay(1).get() == ((1,), {})


def test_whoever_listens_or_wraps_sees_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a receiver of ``before_task_publish``, or a wrapped method, Celery makes them all."""
    app = make_app()
    assert by_template(app, (1,), {}) is not None

    def add_header(headers: dict[str, Any], **_: Any) -> None:
        headers["trace"] = "1"

    signals.before_task_publish.connect(add_header)
    try:
        assert by_template(app, (1,), {}) is None
        assert by_celery(app, (1,), {}).options["headers"]["trace"] == "1"
    finally:
        signals.before_task_publish.disconnect(add_header)

    celerys = Task.apply_async

    def traced(self: Any, *args: Any, **options: Any) -> Any:
        return celerys(self, *args, **options)

    monkeypatch.setattr(Task, "apply_async", traced)
    assert by_template(app, (1,), {}) is None


@pytest.mark.parametrize("how", ["a subclass", "replaced before", "patched after"])
def test_an_apps_own_send_task_sees_each_call(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever takes the place of Celery's method, and whenever, gets every call of a task."""
    seen: list[str] = []

    def send_task(_: Any, name: str, *_args: Any, **_options: Any) -> str:
        seen.append(name)
        return "its own"

    app = type("Own", (Celery,), {"send_task": send_task} if how == "a subclass" else {})(
        "own", broker="amqp://127.0.0.1:1//", set_as_current=False
    )
    if how == "replaced before":
        app.send_task = partial(send_task, app)
    plugin.install(app)
    if how == "patched after":
        monkeypatch.setattr(Celery, "send_task", send_task)

    @app.task(shared=False, name="echo")
    def echo() -> None:
        pass

    assert [echo.delay(), echo.delay()] == ["its own", "its own"]
    assert seen == ["echo", "echo"]


def test_what_is_added_to_a_published_message_is_not_in_the_next() -> None:
    """A receiver of ``after_task_publish`` may write into the headers that it gets."""
    app = make_app()
    templates, echo = app.send_task.templates, app.tasks["echo"]

    templates.message(echo, (), {}, None, {}).options["headers"]["trace"] = "1"

    assert "trace" not in templates.message(echo, (), {}, None, {}).options["headers"]


def test_arguments_that_the_task_does_not_take_are_refused_at_the_call() -> None:
    """A template checks the arguments as Celery does."""
    app = make_app()

    @app.task(shared=False, name="one")
    def one(value: Any) -> Any:
        return value

    templates = app.send_task.templates
    templates.message(one, (1,), {}, None, {})
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        templates.message(one, (1, 2), {}, None, {})


def test_an_id_that_is_no_text_is_left_to_kombu() -> None:
    """It may be nothing that a message can hold, and Kombu's error says so."""
    app = make_app()
    templates, echo = app.send_task.templates, app.tasks["echo"]

    made = [templates.message(echo, (), {}, UUID(TASK_ID), {}) for _ in range(2)]

    assert [message.preparing for message in made] == [None, None]


def test_each_task_of_one_class_has_messages_of_its_own() -> None:
    """Tasks that are classes have no ``__header__``, and several may be of one class."""
    app = make_app()

    class Ask(app.Task):  # type: ignore[name-defined,misc]
        def run(self, value: Any) -> Any:
            return value

    tasks = [Ask(), Ask()]
    for task, name in zip(tasks, ("one", "two"), strict=True):
        task.name = name
        app.register_task(task)
    templates = app.send_task.templates

    for _ in range(2):
        names = [templates.message(task, (1,), {}, None, {}).task for task in tasks]

        assert names == ["one", "two"]


@pytest.mark.parametrize("by_signature", [False, True])
def test_an_apply_async_of_a_tasks_own_sees_each_of_many(*, by_signature: bool) -> None:
    """``publish_many`` sends what it makes of the call; any task of Celery's may be sent."""
    app = make_app()
    app.conf.broker_url = "memory://"
    published: list[Any] = []

    class Celerys(Task):
        name = "celerys"

        def run(self) -> None: ...

    class Own(app.Task):  # type: ignore[name-defined,misc]
        name = "own"

        def run(self) -> None: ...

        def apply_async(self, *args: Any, **options: Any) -> Any:
            return super().apply_async(*args, **options, headers={"tenant": 7})

    for task in (app.register_task(Celerys()), app.register_task(Own())):
        calls = [task.s(), task.s()] if by_signature else [(), ()]
        publish_many(
            calls, task=None if by_signature else task, app=app, on_outcome=published.append
        )

    headers = [each.message.options["headers"] for each in published]
    assert [each["task"] for each in headers] == ["celerys", "celerys", "own", "own"]
    assert [each.get("tenant") for each in headers] == [None, None, 7, 7]


def test_a_group_makes_a_message_for_each_of_its_tasks() -> None:
    """``compose`` returns all messages of a call and publishes none: no broker answers here."""
    app = make_app()
    echo = app.tasks["echo"]

    messages = compose(app, group(echo.s(number) for number in range(3)).apply_async)

    assert [message.call[0] for message in messages] == [(0,), (1,), (2,)]
    assert len({message.options["headers"]["group"] for message in messages}) == 1

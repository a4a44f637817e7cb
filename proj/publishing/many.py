"""Publishes many tasks at once: the broker's confirms are awaited together, none is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Any

from celery import Celery, current_app
from celery.canvas import Signature

from proj.broker import deadline
from proj.publishing.ahead import CHUNK, OneByOne, way_to
from proj.publishing.into_outbox import IntoOutbox
from proj.publishing.outcomes import Interrupted, NotAllPublished, Outcome, Outcomes
from proj.publishing.task import Task
from proj.publishing.task_message import TaskMessage, compose

__all__ = ["publish_many"]

FAREWELL_SECONDS = 1.0
"""After Ctrl-C: how long the broker may take to confirm what was taken already."""


def publish_many(
    calls: Iterable[Any],
    *,
    task: Any = None,
    app: Celery | None = None,
    deadline_seconds: float | None = None,
    failures_limit: int = 1000,
    on_progress: Callable[[Outcomes], None] | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> Outcomes:
    """Publish every call; return when the broker holds them all.

    ``calls`` is any iterable: of signatures, or with ``task`` of ``(args, kwargs, options)``, of
    which the last ones may be left out, or of messages that ``compose`` has made. It is read as the
    broker confirms, so it may be of any length. Each message is the one that ``apply_async`` would
    publish, with its signals and its event, and there is no result object for it.

    ``deadline_seconds`` (``work_queue_publish_deadline_seconds``) is how long the broker may be
    silent. ``on_progress(outcomes)`` is called after each chunk, ``on_outcome(outcome)`` for each
    message. A lost connection is opened again, and what had no answer is published again, unless
    ``task_publish_retry`` is False. Inside a transaction of Django that keeps its tasks, the
    messages are inserted into the outbox in bulk.

    Raises :class:`NotAllPublished` with the outcomes where a message is not confirmed: at the end,
    or as soon as the broker is lost, or after ``failures_limit`` of them; :class:`Interrupted` with
    the outcomes after Ctrl-C. What else ``apply_async`` raises for a call, and what the iterable
    raises, is raised after all that came before is confirmed. Raises ``ValueError`` for a
    ``failures_limit`` below 1, which would publish nothing.
    """
    if failures_limit < 1:
        raise ValueError(f"failures_limit: expected 1 or more, found {failures_limit!r}")
    calls = iter(calls)
    if app is None:
        first = list(islice(calls, 1))
        app = next((call.app for call in (task, *first) if hasattr(call, "app")), current_app)
        calls = chain(first, calls)
    seconds = app.amqp.publish_deadline_seconds if deadline_seconds is None else deadline_seconds
    outcomes = Outcomes(on_outcome=on_outcome)
    messages = _messages(app, calls, task)
    with _way(app, outcomes, seconds) as way:
        chunk: list[TaskMessage] = []
        try:
            while not way.ended and len(outcomes.failed) < failures_limit:
                chunk.extend(islice(messages, CHUNK))
                if not chunk:
                    break
                taken, chunk = chunk, []
                way.publish(taken)
                if on_progress is not None:
                    on_progress(outcomes)
            way.finish()
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            with deadline.within(FAREWELL_SECONDS) if interrupted else nullcontext():
                way.publish(chunk)
                way.finish()
            if interrupted:
                raise Interrupted(outcomes) from None
            raise
    if on_progress is not None:
        on_progress(outcomes)
    if outcomes.failed:
        raise NotAllPublished(outcomes)
    return outcomes


@contextmanager
def _way(app: Celery, outcomes: Outcomes, seconds: float) -> Iterator[OneByOne]:
    if app.send_task.keeper("", option=True) is not None:
        # The broker may be away: an open transaction needs none.
        yield IntoOutbox(app, outcomes, seconds)
        return
    with deadline.within(seconds):
        producer = app.amqp.producer_pool.acquire(block=True)
    with producer:
        yield way_to(app, producer, outcomes, seconds)


def _messages(app: Celery, calls: Iterable[Any], task: Any) -> Iterator[TaskMessage]:
    templates = app.send_task.templates
    for call in calls:
        if isinstance(call, TaskMessage):
            # Its owner may have changed it.
            yield replace(call, preparing=None)
            continue
        if isinstance(call, Signature):
            plain = type(call) is Signature and call.task in app.tasks
            called = app.tasks[call.task] if plain else None
            args, kwargs, options = call.args, call.kwargs, dict(call.options)
            as_celery = partial(call.apply_async, add_to_parent=False)
        else:
            called = task
            args, kwargs, options = _filled_up(*call)
            as_celery = partial(task.apply_async, args, kwargs, add_to_parent=False, **options)
        keeper = app.send_task.keeper(getattr(called, "name", ""), options.get("outbox"))
        task_id = options.pop("task_id", None)
        message = None
        # One of a task's own, or of a test, must see each call.
        apply_async = getattr(called, "apply_async", None)
        if getattr(apply_async, "__func__", None) is Task.apply_async:
            message = templates.message(called, args, kwargs, task_id, options)
        is_outbox = keeper is not None
        made = (message,) if message else compose(app, as_celery, is_outbox=is_outbox)
        yield from (replace(each, keeper=keeper) for each in made) if is_outbox else made


def _filled_up(
    args: Any = (), kwargs: Any = None, options: Mapping[str, Any] | None = None
) -> tuple[Any, Any, dict[str, Any]]:
    return args, kwargs or {}, dict(options or {})

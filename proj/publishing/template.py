"""Makes the messages of one task at little cost: Celery makes the first, the others follow it.

Most of what Celery does for a message (routing, options, settings) comes out the same each time.
Where it may not, the message is left to Celery.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from types import FunctionType
from typing import Any

import celery.app.amqp
import celery.app.base
import celery.app.task
import kombu.messaging
from celery import Celery, signals
from celery.app.routes import MapRoute
from celery.utils import uuid
from celery.utils.collections import DictAttribute
from celery.utils.nodenames import anon_nodename
from celery.utils.saferepr import saferepr

from proj.publishing.prepared import Preparing
from proj.publishing.task_message import TaskMessage, compose, encode

__all__ = ["Templates", "representation"]

CONSTANT_OPTIONS = {
    "compression",
    "delivery_mode",
    "exchange",
    "ignore_result",
    "mandatory",
    "priority",
    "queue",
    "routing_key",
    "serializer",
    "soft_time_limit",
    "time_limit",
}
"""The options of a call that mean the same for each message."""

CELERYS_OWN = (
    (celery.app.task.Task, "apply_async", celery.app.task),
    (celery.app.task.Task, "shadow_name", celery.app.task),
    (celery.app.base.Celery, "send_task", celery.app.base),
    (celery.app.amqp.AMQP, "as_task_v2", celery.app.amqp),
    (kombu.messaging.Producer, "publish", kombu.messaging),
    (kombu.messaging.Producer, "_publish", kombu.messaging),
)
"""What tracing libraries wrap: their wrappers must see each message."""

MOST_TEMPLATES = 1000
"""A program that gives each message a routing key of its own must not fill the memory."""

MISSING = object()

BRACKETS: dict[Any, tuple[str, str]] = {tuple: ("(", ")"), list: ("[", "]"), dict: ("{", "}")}
PLAIN = (str, int, float, bool, type(None))


_known_as_celerys_own: tuple[Any, ...] = ()


class Templates:
    """The templates of an app, one for each task and each set of its options."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._templates: dict[Any, Template | None] = {}
        self._changes: dict[str, Any] = {}
        self._conf: Any = None
        self._keys: dict[str, tuple[str, ...]] = {}

    def message(
        self, task: Any, args: Any, kwargs: Any, task_id: str | None, options: dict[str, Any]
    ) -> TaskMessage | None:
        """Return the message of ``task.apply_async(args, kwargs, task_id, **options)``.

        None where only Celery can say what that publishes. Raises what ``apply_async`` raises for
        arguments that the task does not take.
        """
        args, kwargs = args or (), kwargs or {}
        if not self._may_make(task, args, kwargs, options):
            return None
        event = self.setting("task_send_sent_event")
        try:
            key = (task, task.ignore_result, event, *options.items())
            template = self._templates.get(key, self)
        except TypeError:  # an option that is no constant
            return None
        if isinstance(template, Template):
            # A task that is a class has no such check of its arguments.
            if task.typing and hasattr(task, "__header__"):
                task.__header__(*args, **kwargs)
            return template.message(task_id or uuid(), args, kwargs)
        if template is None:
            return None
        call = partial(task.apply_as_celery, args, kwargs, task_id=task_id, **options)
        (message,) = compose(self._app, call)
        if len(self._templates) >= MOST_TEMPLATES:
            self._templates.clear()
        self._templates[key] = Template.of(self._app, message)
        return message

    def setting(self, name: str) -> Any:
        """Return ``app.conf[name]``, without the exception that Celery raises for each miss."""
        conf = self._app.conf
        if conf is not self._conf:
            self._conf, self._keys = conf, {}
        keys = self._keys.get(name)
        if keys is None:
            # The names that it had in older releases, too.
            keys = self._keys[name] = tuple(dict.fromkeys(conf._to_keys(name)))  # noqa: SLF001 - as its get()
        for source in conf.maps:
            is_object = type(source) is DictAttribute
            for key in keys if is_object or source else ():
                found = getattr(source.obj, key, MISSING) if is_object else source.get(key, MISSING)
                if found is not MISSING:
                    return found
        return None

    def _may_make(self, task: Any, args: Any, kwargs: Any, options: dict[str, Any]) -> bool:
        app, conf = self._app, self._app.conf
        if conf.changes != self._changes:
            self._templates.clear()
            self._changes = dict(conf.changes)
        return (
            options.keys() <= CONSTANT_OPTIONS
            and type(args) in (tuple, list)
            and type(kwargs) is dict
            and app.send_task.is_celerys_own
            and self.setting("task_protocol") == 2  # noqa: PLR2004 - https://docs.celeryq.dev/en/stable/internals/protocol.html
            and not self.setting("task_always_eager")
            and not signals.before_task_publish.receivers
            and not signals.task_sent.receivers
            and app.current_worker_task is None
            and task.__class__.shadow_name is celery.app.task.Task.shadow_name
            and getattr(task, "_dump_pydantic_arguments", None) is None
            and _are_celerys_own()
        )


class Template:
    """A message of which all but its id and its arguments is kept."""

    def __init__(self, app: Celery, model: TaskMessage) -> None:
        self._app = app
        # The message itself is published, and a receiver of a signal may add to its headers.
        headers = dict(model.options["headers"])
        self._model = replace(model, options={**model.options, "headers": headers})
        self._preparing = Preparing(self._model)
        self._embed = model.call[2]
        self._in_task = headers["root_id"] != model.id
        self._levels = app.conf.task_repr_maxlevels

    @classmethod
    def of(cls, app: Celery, model: TaskMessage) -> Template | None:
        """Return the template of messages like ``model``, None where they differ in more."""
        headers = model.options["headers"]
        constant = all(isinstance(route, MapRoute) for route in app.amqp.routes) and (
            not (headers["eta"] or headers["expires"] or headers["stamped_headers"])
        )
        return cls(app, model) if constant else None

    def message(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskMessage:
        """Return the message of a call with these arguments."""
        model, amqp = self._model, self._app.amqp
        options = model.options.copy()
        headers = options["headers"] = options["headers"].copy()
        headers["id"] = task_id
        if not self._in_task:
            headers["root_id"] = task_id
        headers["argsrepr"] = representation(args, amqp.argsrepr_maxsize, self._levels)
        headers["kwargsrepr"] = representation(kwargs, amqp.kwargsrepr_maxsize, self._levels)
        headers["origin"] = _origin()
        options["timestamp"] = int(time.time())
        options["correlation_id"] = task_id
        options["reply_to"] = self._app.thread_oid
        event = model.sent_event and {
            **model.sent_event,
            "uuid": task_id,
            "root_id": headers["root_id"],
            "args": headers["argsrepr"],
            "kwargs": headers["kwargsrepr"],
        }
        call = (args, kwargs, self._embed)
        body = encode(call, model.encoding, options)
        return TaskMessage(
            model.task,
            body,
            options,
            call,
            model.encoding,
            model.queue,
            event,
            # What else a caller takes for an id may be nothing that a message can hold.
            preparing=self._preparing if type(task_id) is str else None,
        )


def representation(values: Any, longest: int, levels: int | None) -> str:
    """Return what Celery's ``saferepr`` makes of a call's arguments; few plain ones cost little."""
    opening, closing = BRACKETS.get(type(values), ("", ""))
    if not values:
        return opening + closing
    if opening != "{" and all(type(value) in PLAIN for value in values):
        shown = ", ".join(
            [_quoted(value) if type(value) is str else str(value) for value in values]
        )
        comma = "," if opening == "(" and len(values) == 1 else ""
        text = f"{opening}{shown}{comma}{closing}"
        if longest and len(text) < longest:
            return text
    return str(saferepr(values, longest, maxlevels=levels))


def _quoted(text: str) -> str:
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


@lru_cache(1)
def _origin() -> str:
    return str(anon_nodename())


os.register_at_fork(after_in_child=_origin.cache_clear)  # it holds the process id


def _are_celerys_own() -> bool:
    global _known_as_celerys_own  # noqa: PLW0603 - looked at for each message
    functions = tuple([vars(owner)[name] for owner, name, _ in CELERYS_OWN])
    if functions != _known_as_celerys_own:
        for function, (_, _, module) in zip(functions, CELERYS_OWN, strict=True):
            if type(function) is not FunctionType or function.__globals__ is not vars(module):
                return False
        _known_as_celerys_own = functions
    return True

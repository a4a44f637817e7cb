"""What ``app.amqp`` is with the plug-in: Celery's own, over our connections and producers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP as CeleryAMQP

from proj.broker.connection import Connection
from proj.configuration import work_queue_settings
from proj.errors import SettingsError
from proj.publishing.delays import delay, leave_delayed_way
from proj.publishing.pool import drop_after_fork, producers
from proj.publishing.producer import Producer
from proj.publishing.task_message import Composer
from proj.settings import PREFIX, Settings
from proj.topology.delays import DELAYED_UNTIL

__all__ = ["AMQP"]

OF_QUEUE = ("name", "ownership", "type")

KEYS = tuple(PREFIX + name for name in (*OF_QUEUE, "publish_deadline_seconds"))
"""The settings that a producer uses."""

HISTORY = (
    DELAYED_UNTIL,
    "x-attempts",
    "x-dead-letter-",
    "x-death",
    "x-first-death-",
    "x-last-death-",
)
"""What headers tell of one message's past; a retry is a new message, and Celery copies them."""


class AMQP(CeleryAMQP):
    """Celery's messaging of an app with the plug-in (``app.amqp_cls``)."""

    Connection = Connection
    BrokerConnection = Connection
    Producer = Producer
    _producer_pool: Any
    _settings: Settings
    _read_from: list[Any] | None = None

    def __init__(self, app: Celery) -> None:
        super().__init__(app)
        drop_after_fork(app)

    @property
    def publish_deadline_seconds(self) -> float:
        """How long sending a task may take, unless the call says otherwise.

        Raises :class:`proj.errors.SettingsError` for a setting that was changed and is wrong, or
        that came too late: the queue is made of what was set when it was first used.
        """
        changes = self.app.conf.changes
        now = [changes.get(key) for key in KEYS]
        if now != self._read_from:
            self._settings = work_queue_settings(self.app)
            used = getattr(self.default_queue, "settings", self._settings)
            late = [
                f"  {PREFIX}{name}: changed after {getattr(used, name)!r} was used"
                for name in OF_QUEUE
                if getattr(self._settings, name) != getattr(used, name)
            ]
            if late:
                raise SettingsError(late)
            self._read_from = now
        return self._settings.publish_deadline_seconds

    @property
    def producer_pool(self) -> Any:
        """The pool of producers that everything of the app publishes with."""
        if self._producer_pool is None:
            self._producer_pool = producers[self.app.connection_for_write()]
            self._producer_pool.limit = self.app.pool.limit
        return self._producer_pool

    publisher_pool = producer_pool

    def _create_task_sender(self) -> Callable[..., Any]:
        send = super()._create_task_sender()

        def send_task_message(producer: Any, name: str, message: Any, **options: Any) -> Any:
            """Publish a task's message; one that no queue takes comes back, and is an error."""
            if options.get("mandatory") is None:  # what a task sends where the call names a queue
                options["mandatory"] = True
            if options.get("headers"):
                options["headers"] = _without_history(options["headers"])
            if not (message.headers or message.body).get("eta"):
                # By it the broker tells how long its oldest message has waited.
                options.setdefault("timestamp", int(time.time()))
            if (message.headers or message.body).get("expires"):
                # Celery asks the broker to end it, unseen: its result would be awaited for ever.
                # The worker sees `expires`, and tells of it.
                options["expiration"] = None
            leave_delayed_way(options)
            if getattr(producer, "is_outbox", False):
                # What is left of a delay is known as the message leaves the outbox.
                message = message._replace(sent_event=None)
            else:
                delay(self.app, producer, message, options)
            if isinstance(producer, Composer):
                return producer.keep(send, name, message, options)
            return send(producer, name, message, **options)

        return send_task_message


def _without_history(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if not name.startswith(HISTORY)}

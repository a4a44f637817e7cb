"""What the work queue asks of Celery's own settings, where the user's configuration is silent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kombu import Queue

from proj import settings
from proj.topology.queue import WorkQueue

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["HEARTBEAT_SECONDS", "supplied", "supply", "work_queue_settings"]

HEARTBEAT_SECONDS = 20


def supply(app: Celery) -> None:
    """Add our values to ``app.conf`` each time that it is loaded, below the user's own values."""
    if getattr(app, "work_queue_supplied", False):
        return
    app.work_queue_supplied = True

    def supply_unless_set() -> dict[str, Any]:
        ours = supplied(work_queue_settings(app))
        if app.conf.task_queues:
            app.conf.task_queues = _beside(ours["task_queues"], app.conf.task_queues)
        return {key: value for key, value in ours.items() if not app.conf.value_set_for(key)}

    # Celery forgets pending defaults once it has used them, and loads the configuration again after
    # each config_from_object(): so ours are added at every load. The signal itself would swallow
    # a SettingsError; a pending default does not.
    def add_pending(**_: Any) -> None:
        app._pending_defaults.append(supply_unless_set)  # noqa: SLF001 - add_defaults() is at once after the first load

    app.on_configure.connect(add_pending, weak=False)
    if app.configured:
        app.add_defaults(supply_unless_set)


def work_queue_settings(app: Celery) -> settings.Settings:
    """Return the validated ``work_queue_*`` settings of ``app``; raises ``SettingsError``.

    Without a ``work_queue_name``, an app that names its own ``task_default_queue`` has that one.
    """
    ours = _work_queue_keys(app.conf)
    if "work_queue_name" not in ours and app.conf.value_set_for("task_default_queue"):
        ours["work_queue_name"] = app.conf.task_default_queue
    return settings.read(ours, os.environ)


def supplied(ours: settings.Settings) -> dict[str, Any]:
    """Return the Celery settings that make the promise hold, each with the reason."""
    return {
        # One durable queue, reached through the default exchange as any AMQP client reaches it.
        # No other queue is made by a misspelt name.
        "task_queues": [WorkQueue(ours)],
        "task_default_queue": ours.name,
        "task_default_exchange": "",
        "task_default_routing_key": ours.name,
        "task_create_missing_queues": False,
        # A message leaves the queue when its task is done, and goes back when its process is lost.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # One message for each process: a waiting message is free for whoever is idle.
        "worker_prefetch_multiplier": 1,
        "worker_consumer": "proj.worker.consumer:Consumer",
        # A publish returns once the broker holds the message.
        "broker_transport_options": {"confirm_publish": True},
        # A worker outlives its broker, from its first attempt on.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        # A host that is gone without a word is noticed in two to three times as many seconds, and
        # its message is given to another: Celery's two minutes would be six.
        # https://www.rabbitmq.com/docs/heartbeats
        "broker_heartbeat": HEARTBEAT_SECONDS,
        # A task whose connection is lost is redelivered: the run that cannot acknowledge ends.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


def _work_queue_keys(configuration: Any) -> dict[str, Any]:
    """Return our keys as this package names them: Django writes them large, with a prefix."""
    prefix = (configuration.prefix or "").lower()
    names = {str(key): str(key).lower().removeprefix(prefix) for key in configuration}
    return {
        name: configuration[key] for key, name in names.items() if name.startswith(settings.PREFIX)
    }


def _beside(ours: list[WorkQueue], theirs: Any) -> list[Any]:
    """Return the app's own queues with the work queue among them, unless they define it."""
    if isinstance(theirs, Mapping):
        theirs = [
            queue if isinstance(queue, Queue) else Queue.from_dict(name, **queue)
            for name, queue in theirs.items()
        ]
    own = list(theirs or ())
    for queue in own:
        # Celery gives such a queue the default exchange and the work queue's key: not its own.
        if not getattr(queue.exchange, "name", None) and not queue.routing_key:
            queue.routing_key = queue.name
    names = {queue.name for queue in own}
    return [*(queue for queue in ours if queue.name not in names), *own]

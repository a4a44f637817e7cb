"""What ``app.amqp`` is with the plug-in: Celery's own, over our connections and producers.

What publishes is imported when it is first used: few of Celery's commands do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP as CeleryAMQP

from proj.broker.connection import Connection
from proj.configuration import work_queue_settings
from proj.errors import SettingsError
from proj.publishing.forking import drop_after_fork
from proj.settings import PREFIX, Settings

__all__ = ["AMQP"]

OF_QUEUE = ("name", "ownership", "type")

KEYS = tuple(PREFIX + name for name in (*OF_QUEUE, "publish_deadline_seconds"))
"""The settings that a producer uses."""


class AMQP(CeleryAMQP):
    """Celery's messaging of an app with the plug-in (``app.amqp_cls``)."""

    Connection = Connection
    BrokerConnection = Connection
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
    def Producer(self) -> Any:  # noqa: N802 - Celery's name
        """The class of producers."""
        from proj.publishing.producer import Producer  # noqa: PLC0415 - see above

        return Producer

    @property
    def producer_pool(self) -> Any:
        """The pool of producers that everything of the app publishes with."""
        if self._producer_pool is None:
            from proj.publishing.pool import producers  # noqa: PLC0415 - see above

            self._producer_pool = producers[self.app.connection_for_write()]
            self._producer_pool.limit = self.app.pool.limit
        return self._producer_pool

    publisher_pool = producer_pool

    def _create_task_sender(self) -> Callable[..., Any]:
        from proj.publishing.task_sender import sending  # noqa: PLC0415 - see above

        return sending(self.app, super()._create_task_sender())

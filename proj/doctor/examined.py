"""The app that is examined: its effective configuration, tasks and broker's address."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from celery import Celery
from celery.app.routes import MapRoute
from kombu.utils.url import parse_url

from proj.broker.connection import TRANSPORTS, unusable
from proj.configuration import work_queue_settings
from proj.doctor.finding import listed
from proj.publishing.amqp import AMQP

__all__ = ["Examined"]

CONSUMER = "proj.worker.consumer:Consumer"


class Examined:
    """What the checks read of ``app``, wherever the user set it; nothing here asks the broker.

    Raises :class:`proj.errors.SettingsError` for ``work_queue_*`` settings that are wrong, and for
    a broker's URL that is none.
    """

    def __init__(self, app: Celery) -> None:
        self.app = app
        self.conf = app.conf
        self.settings = work_queue_settings(app)
        self.publishes_through_us = isinstance(app.amqp, AMQP)
        self.consumes_through_us = (
            self.publishes_through_us and self.conf.worker_consumer == CONSUMER
        )
        self.transport = self.urls[0]["transport"] or "amqp"
        self.is_rabbitmq = self.transport in TRANSPORTS
        self.is_embedded = self.transport == "sqlite" and self.publishes_through_us
        self.is_supported = self.is_rabbitmq or self.is_embedded
        self.version: tuple[int, ...] = ()
        """RabbitMQ's release, such as (4, 3, 6), once it has told."""
        self.import_error: str | None = None
        try:
            app.loader.import_default_modules()
        except Exception as error:  # noqa: BLE001 - a user's module may raise anything
            self.import_error = f"{type(error).__name__}: {error}"

    @cached_property
    def tasks(self) -> dict[str, Any]:
        """The user's tasks by name."""
        tasks = sorted(self.app.tasks.items())
        return {name: task for name, task in tasks if not name.startswith("celery.")}

    @cached_property
    def urls(self) -> list[dict[str, Any]]:
        """Every broker URL in its parts: transport, hostname, userid, password."""
        urls: list[str] = []
        for told in (self.conf.broker_read_url, self.conf.broker_write_url):
            urls += told.split(";") if isinstance(told, str) else told or ["amqp://"]
        try:
            return [parse_url(url) for url in dict.fromkeys(urls)]
        except (KeyError, ValueError) as error:
            raise unusable(error) from None

    def where(self, attribute: str, setting: str, is_wrong: Callable[[Any], bool]) -> str | None:
        """Return where a value is wrong: the setting, or the tasks with a value of their own.

        None where it is right for every task.
        """
        by_default = getattr(self.conf, setting, None)
        own = {name: self._own(name, attribute) for name in self.tasks}
        values = {name: by_default if value is None else value for name, value in own.items()}
        wrong = [name for name, value in values.items() if is_wrong(value)]
        if is_wrong(by_default) and (wrong or not values):
            return f"{setting} = {by_default!r}"
        return f"{attribute} = {values[wrong[0]]!r} of {listed(wrong)}" if wrong else None

    def _own(self, name: str, attribute: str) -> Any:
        """Return a task's own value of ``attribute``, else what ``task_routes`` has for it."""
        value = getattr(self.tasks[name], attribute, None)
        for route in self.app.amqp.router.routes if value is None else ():
            if isinstance(route, MapRoute):
                value = (route(name) or {}).get(attribute, value)
        return value

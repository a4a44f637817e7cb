"""An app to examine, and the names of what is found in it."""

from __future__ import annotations

from typing import Any

from celery import Celery

from proj import plugin
from proj.doctor.examining import examine

__all__ = ["app_with", "facts", "names"]

FINE = {
    "broker_url": "amqps://shop:s3cret@broker.example//",
    "task_time_limit": 60,
}
"""A configuration in which nothing is found, with the plug-in."""


def app_with(
    configuration: dict[str, Any] | None = None,
    *,
    task: dict[str, Any] | None = None,
    plug_in: bool = True,
) -> Celery:
    """Return an app with a task ``shop.pack`` of the options ``task``, on a fine configuration."""
    app = Celery("shop", set_as_current=False)
    app.config_from_object({**FINE, **(configuration or {})})
    if plug_in:
        plugin.install(app)

    @app.task(name="shop.pack", shared=False, **(task or {}))
    def pack() -> None:
        """Do nothing."""

    return app


def names(app: Celery, *, only_static: bool = True) -> set[str]:
    """Return the names of what is found in ``app``."""
    return {each.name for each in examine(app, only_static=only_static)}


def facts(app: Celery, name: str) -> list[str]:
    """Return the facts of the findings of that name, without asking a broker."""
    return [each.fact for each in examine(app, only_static=True) if each.name == name]

"""An app to examine, and the names of what is found in it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from proj import plugin
from proj.doctor.examined import Examined
from proj.doctor.examining import examine
from proj.doctor.live.reached import Reached, reach
from tests.support.rabbitmq import RabbitMQ

__all__ = ["app_with", "facts", "found", "looking", "names", "virtual_host"]

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

    def pack() -> None:
        """Do nothing."""

    # The doctor reads the loaded modules of a task's package: not all of these tests.
    pack.__module__ = "shop"
    app.task(name="shop.pack", shared=False, **(task or {}))(pack)
    return app


def names(app: Celery, *, only_static: bool = True) -> set[str]:
    """Return the names of what is found in ``app``."""
    _forget_shared_tasks(app)
    return {each.name for each in examine(app, only_static=only_static)}


def facts(app: Celery, name: str) -> list[str]:
    """Return the facts of the findings of that name, without asking a broker."""
    _forget_shared_tasks(app)
    return [each.fact for each in examine(app, only_static=True) if each.name == name]


def found(app: Celery, name: str) -> list[str]:
    """Return the facts of the findings ``name``, of configuration and broker."""
    return [each.fact for each in examine(app) if each.name == name]


@contextmanager
def looking(url: str, **configuration: Any) -> Iterator[Reached]:
    """Give the broker at ``url`` as the live checks have it, for a work queue of its own."""
    own = {"broker_url": url, "work_queue_name": f"test-{secrets.token_hex(4)}"}
    with reach(Examined(app_with({**own, **configuration}))) as reached:
        yield reached


@contextmanager
def virtual_host(node: RabbitMQ, *, account: str = "guest", rights: str = ".*") -> Iterator[str]:
    """Give the URL of a virtual host of its own, for ``account`` (its password too) with rights."""
    name = f"test-{secrets.token_hex(4)}"
    call = node.management.call
    call("PUT", f"/vhosts/{name}")
    if account != "guest":
        call("PUT", f"/users/{account}", {"password": account, "tags": "monitoring"})
    for each, pattern in {"guest": ".*", account: rights}.items():
        told = dict.fromkeys(("configure", "write", "read"), pattern)
        call("PUT", f"/permissions/{name}/{each}", told)
    yield node.url(name).replace("guest:guest", f"{account}:{account}")
    node.management.delete_virtual_host(name)
    if account != "guest":
        call("DELETE", f"/users/{account}")


def _forget_shared_tasks(app: Celery) -> None:
    # Tasks that other tests of this process share with every app are none of this one.
    for name in [each for each in app.tasks if not each.startswith(("celery.", "shop."))]:
        app.tasks.unregister(name)

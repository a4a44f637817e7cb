"""Lets a forked process connect anew: its parent's sockets are the parent's."""

from __future__ import annotations

import os
from weakref import WeakSet

from celery import Celery
from kombu import pools

__all__ = ["drop_after_fork"]

_apps: WeakSet[Celery] = WeakSet()


def drop_after_fork(app: Celery) -> None:
    """Let ``app`` connect anew in each child process, which may not use its parent's sockets.

    Kombu does so for processes of ``multiprocessing`` only, not for those of a pre-forking server.
    """
    _apps.add(app)


def _drop() -> None:
    for app in _apps:
        if app._pool is not None:  # noqa: SLF001 - as Celery's own _after_fork()
            app._pool.force_close_all()  # noqa: SLF001 - as above
        app._pool = app.amqp._producer_pool = None  # noqa: SLF001 - as above
    if _apps:
        pools.connections.clear()


os.register_at_fork(after_in_child=_drop)

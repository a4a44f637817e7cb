"""Runs a real worker in the calling thread until its queues are empty.

In this thread, so that a task sees what the test's own transaction has not committed yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from celery import _state, signals
from celery.concurrency import solo
from celery.concurrency.base import apply_target
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_OK
from celery.worker import WorkController

from proj.worker.consumer import Consumer
from proj.worker.request import settled

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["drain"]


def drain(app: Celery, bring_forward: Callable[[], bool], *, at_most: int) -> int:
    """Run what waits in the queues of ``app``; return the number of deliveries.

    Whenever nothing waits, ``bring_forward`` may make a delayed message due, and say so. Raises
    ``AssertionError`` after ``at_most`` deliveries, and whatever ends a worker: a queue that cannot
    be used (:class:`proj.errors.WorkQueueError`), ``KeyboardInterrupt``.
    """
    with _as_worker(app):
        controller = WorkController(
            app=app,
            hostname="work_queue@tests",
            queues=list(app.amqp.queues),
            concurrency=1,
            prefetch_multiplier=1,
            disable_rate_limits=True,
            use_eventloop=False,
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
            pool_cls=solo.TaskPool,
            consumer_cls=partial(DrainingConsumer, bring_forward=bring_forward, at_most=at_most),
        )
        try:
            controller.blueprint.start(controller)
        except WorkerShutdown as end:
            if end.code != EX_OK:
                raise end.__cause__ or end from None
        finally:
            controller.stop()
            # It keeps every settler that ever was, with two open files each.
            settled.cache_clear()
    return int(controller.consumer.deliveries)


class DrainingConsumer(Consumer):
    """Our consumer, whose event loop ends where another one would wait."""

    def __init__(
        self, *arguments: Any, bring_forward: Callable[[], bool], at_most: int, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.bring_forward = bring_forward
        self.at_most = at_most
        self.deliveries = 0
        # A Ctrl-C or a ``pytest.fail()`` inside a task ends the test, not the task alone.
        self.pool.on_apply = partial(apply_target, propagate=(BaseException,))

    def loop(self, *_: Any) -> None:
        """Hand out one message after the other; raises ``WorkerShutdown`` when none is left."""
        self.task_consumer.on_message = self.create_task_handler()
        self.task_consumer.consume()
        while True:
            self.perform_pending_operations()
            try:
                self.connection.drain_events(timeout=0)
            except TimeoutError:
                if not self.bring_forward():
                    raise WorkerShutdown(EX_OK) from None
                continue
            self.deliveries += 1
            if self.deliveries > self.at_most:
                raise AssertionError(
                    f"The queues are not empty after {self.at_most} deliveries: does a task "
                    "enqueue itself for ever? drain(at_most=...) allows more."
                )

    def _repeat(self, *_: Any) -> None:
        """Repeat nothing: it ends before a second has passed."""


@contextmanager
def _as_worker(app: Celery) -> Iterator[None]:
    """Make ``app`` the current one, as a worker does, without what belongs to a worker's process.

    That is the receivers of its signals (Django's part of Celery closes the database connections,
    in the midst of the test's transaction), its bootsteps, retention and health: threads and files.
    """
    default, current = _state.default_app, _state._tls.current_app  # noqa: SLF001 - to put it back
    will_block = _state.task_join_will_block()
    with ExitStack() as stack:
        for signal in (signals.worker_init, signals.worker_shutdown):
            stack.enter_context(patch.object(signal, "receivers", []))
        stack.enter_context(patch.dict(app.steps, worker=set()))
        for part in ("Health", "Retention"):
            stack.enter_context(patch(f"proj.worker.consumer.{part}"))
        app.set_default()
        app.set_current()
        try:
            yield
        finally:
            _state.set_default_app(default)
            _state._set_task_join_will_block(will_block)  # noqa: SLF001 - set by each pool for good
            _state._set_current_app(current)  # noqa: SLF001 - set_current() cannot take none

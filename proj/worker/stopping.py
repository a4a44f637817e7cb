"""Stops a worker in a bounded time: no new message, some grace, and back what is not finished.

SIGTERM or SIGINT: the running tasks get the grace. A second one, or SIGQUIT: back at once.
A message that goes back does not count as an attempt, and the worker ends with exit code 0.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any

from celery import signals
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_OK
from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.control import control_command

from proj.worker.giving_back import give_back_all, give_back_unbegun
from proj.worker.last_resort import LastResort

__all__ = ["Stopping"]

logger = get_logger(__name__)


@control_command()
def shutdown(panel: Any, msg: str = "Got shutdown from remote", **_: Any) -> dict[str, str]:
    """Stop as SIGTERM does: ``celery control shutdown`` and Flower."""
    logger.warning(msg)
    if not isinstance(getattr(panel.consumer, "stopping", None), Stopping):
        raise WorkerShutdown(EX_OK)  # an app without the plug-in, in the same process
    panel.consumer.stopping.begin()
    return {"ok": "stopping"}


CHECK_SECONDS = 0.1
COPY_SECONDS = 5.0
"""How long the copies of what goes back may take, after which closing the connection must do."""


class Stopping:
    """How ``consumer`` (ours) stops; ``grace_seconds`` after the first signal at the latest."""

    def __init__(self, consumer: Any, grace_seconds: float) -> None:
        self.consumer = consumer
        self.grace_seconds = grace_seconds
        self.deadline: float | None = None
        self.last_resort = LastResort(self, extra_seconds=COPY_SECONDS)
        self._waker, self._wake = os.pipe()
        for end in (self._waker, self._wake):
            os.set_blocking(end, False)
        self._has_ended_subscription = False
        self.has_given_back = False

    def __del__(self) -> None:
        os.close(self._waker)
        os.close(self._wake)

    @property
    def is_stopping(self) -> bool:
        """Whether a signal to stop has come."""
        return self.deadline is not None

    def take_signals(self) -> None:
        """Take the signals that Celery's own handlers have, and no others."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            if getattr(signal.getsignal(number), "__name__", "").startswith("worker_"):
                signal.signal(number, self.begin)

    def register(self, hub: Any) -> None:
        """Let the event loop notice a signal at once."""
        hub.add_reader(self._waker, self._on_woken)

    def on_connection_lost(self) -> None:
        """Do not connect again to stop: all messages are back already."""
        if self.is_stopping:
            state.should_stop = EX_OK

    def begin(self, number: int = signal.SIGTERM, _frame: Any = None) -> None:
        """Stop as the signal ``number`` asks for, at once if it is not the first one."""
        # A signal handler: no lock may be taken here that the main thread may hold.
        now = time.monotonic()
        is_first = self.deadline is None
        at_once = number == signal.SIGQUIT or not is_first
        self.deadline = now if at_once else now + self.grace_seconds
        if is_first:
            name = signal.Signals(number).name
            signals.worker_shutting_down.send(
                sender=self.consumer.hostname, sig=name, how="Warm", exitcode=EX_OK
            )
            self.last_resort.start()
        if self.consumer.hub is None or self.consumer.connection is None:
            state.should_stop = EX_OK
        else:
            self.wake_loop()

    def wake_loop(self) -> None:
        """Let the event loop turn once more now; from a signal handler or another thread."""
        with suppress(BlockingIOError):
            os.write(self._wake, b"!")

    def _on_woken(self, *_: Any) -> None:
        os.read(self._waker, 4096)
        if self.is_stopping:
            self._proceed()

    def _proceed(self) -> None:
        """Go on with the stop, in the event loop, until nothing is left to wait for."""
        consumer, settler = self.consumer, self.consumer.settler
        if not self._has_ended_subscription:
            self._has_ended_subscription = True
            logger.warning(
                "Stopping: no new message; running tasks have %.0f s.", self._remaining_seconds()
            )
            consumer.subscription.end()
            give_back_unbegun(settler)
        if not self.has_given_back and self._remaining_seconds() <= 0:
            self.has_given_back = True
            give_back_all(settler, consumer.pool)
        copies_late = self._remaining_seconds() < -COPY_SECONDS
        is_busy = settler.unsettled or state.active_requests
        if is_busy and not self.has_given_back:
            pass
        elif settler.beside.unfinished == 0 or copies_late:
            self._end()
            return
        consumer.hub.call_later(CHECK_SECONDS, self._proceed)

    def _end(self) -> None:
        if self.has_given_back:
            state.should_terminate = EX_OK
        else:
            state.should_stop = EX_OK
        self.wake_loop()

    def _remaining_seconds(self) -> float:
        return (self.deadline or 0.0) - time.monotonic()

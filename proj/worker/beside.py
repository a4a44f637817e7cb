"""Does beside the event loop what may wait for a broker, and hands the result back to it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["BesideLoop"]

T = TypeVar("T")


class BesideLoop:
    """One thread, started when it is first needed: most workers never have one.

    Without an event loop (Celery's ``synloop``) everything is done at once, in the caller.
    """

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.unfinished = 0
        self._work: queue.SimpleQueue[Callable[[], Callable[[], None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Call ``work``, which must not raise; then in the event loop ``then`` with its result."""
        self.unfinished += 1

        def working() -> Callable[[], None]:
            result = work()

            def finishing() -> None:
                self.unfinished -= 1
                then(result)

            return finishing

        if self.consumer.hub is None:
            working()()
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="settlement", daemon=True)
            self._thread.start()
        self._work.put(working)

    def _run(self) -> None:
        while True:
            self.consumer.call_soon(self._work.get()())
            # Kombu 5.6 does not wake its loop for a call from another thread.
            self.consumer.stopping.wake_loop()

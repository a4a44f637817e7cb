"""Ctrl-C and SIGTERM, put off while a process is being started or ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

__all__ = ["Interruption"]


class Interruption:
    """Raises ``KeyboardInterrupt`` for SIGINT and SIGTERM; a context manager."""

    def __init__(self) -> None:
        self._held = False
        self._pending = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # as signal() returned it

    def hold(self) -> None:
        """From now on put interruptions off."""
        self._held = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put an interruption off until the end of the block, so that nothing is half started."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending:
            raise KeyboardInterrupt

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's signature
        self._pending = True
        if not self._held:
            self._held = True
            raise KeyboardInterrupt

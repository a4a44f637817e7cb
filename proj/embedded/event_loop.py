"""Serving a session from Kombu's event loop, as Celery's worker does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proj.embedded.session import Session

#: How often a session looks by itself: for the dead, and in case a wake-up was lost.
LOOK_SECONDS = 0.5


class EventLoop:
    """A session's place in the event loop: its doorbell and its timers."""

    def __init__(self, hub: Any, session: Session) -> None:
        self._hub = hub
        self._session = session
        self._descriptor = session.doorbell.fileno()
        self._due_timer: Any = None
        hub.add_reader(self._descriptor, self._on_ring)
        self._look_timer = hub.call_repeatedly(LOOK_SECONDS, self._on_look)

    def leave(self) -> None:
        """Be served no more."""
        self._look_timer.cancel()
        if self._due_timer is not None:
            self._due_timer.cancel()
        self._hub.remove_reader(self._descriptor)

    def _on_look(self) -> None:
        self._session.look()
        # Not handed out here: what a callback of a timer leaves to the event loop (an
        # acknowledgement) waits for its next round, and this one polls first.
        self._session.ring()

    def _on_ring(self) -> None:
        session = self._session
        if session.closed:
            return
        session.doorbell.drain()
        if session.hand_out_all():
            # Once more, after the event loop has served its other descriptors.
            session.ring()
        elif session.seconds_to_due() < LOOK_SECONDS and self._due_timer is None:
            self._due_timer = self._hub.call_later(session.seconds_to_due(), self._on_due)

    def _on_due(self) -> None:
        self._due_timer = None
        self._session.ring()

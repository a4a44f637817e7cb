"""Keeps a worker to the pause of its queue: told by a broadcast, and looking for itself."""

from __future__ import annotations

from typing import Any

from amqp.exceptions import ChannelError
from celery.utils.log import get_logger
from celery.worker.control import control_command, ok

from proj import pause
from proj.dead_letters.copying import CopyRefused
from proj.pause import Pause
from proj.topology.names import pause_queue_name

__all__ = ["Pausing"]

logger = get_logger(__name__)

LOOK_SECONDS = 5.0
"""How often a worker looks: a broadcast is lost on whoever is not connected."""


class Pausing:
    """Whether ``consumer`` (ours) may take messages from the work queue."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.settings = consumer.work_queue_settings
        self.lasting: Pause | None = None
        self._is_asking = False
        self._is_refused = False

    def begin(self) -> None:
        """Look at the pause before the first message of a new connection."""
        self._is_asking = False
        try:
            with self.consumer.connection.channel() as channel:
                found = pause.current(channel, self.settings, self.lasting)
        except ChannelError as error:
            # Each look would be refused, and cost a connection.
            self._is_refused = True
            logger.warning(
                "Pausing does not work here: the broker refuses the queue %r: %s. Let this account "
                "configure, read and write it (rabbitmqctl set_permissions).",
                pause_queue_name(self.settings.name),
                error,
            )
            return
        self._is_refused = False
        self.lasting = None
        self.apply(found)

    def look(self) -> None:
        """Look at the pause, beside the event loop."""
        if self._is_refused or self._is_asking or self.consumer.stopping.is_stopping:
            return
        self._is_asking = True
        known = self.lasting
        copies = self.consumer.settler.copies

        def ask() -> Pause | None:
            try:
                found: Pause | None = copies.ask(
                    lambda channel: pause.current(channel, self.settings, known)
                )
            except CopyRefused:
                # The broker is away, or blocks: a pause lasts until it says otherwise.
                return known
            return found

        self.consumer.settler.beside.do(ask, lambda found: self._on_answer(known, found))

    def apply(self, found: Pause | None) -> None:
        """Take messages no more, or again."""
        was, self.lasting = self.lasting, found
        if self.consumer.stopping.is_stopping or bool(was) == bool(found):
            return
        if found:
            self.consumer.subscription.hold()
            self._give_back_unbegun()
            logger.warning(
                "Paused since %s by %s: no new message, what runs goes on. "
                "To go on: celery -A ... workqueue resume",
                found.since,
                found.by,
            )
        else:
            self.consumer.subscription.go_on()
            logger.warning("Resumed.")
        self.consumer.health.write()

    def _on_answer(self, known: Pause | None, found: Pause | None) -> None:
        self._is_asking = False
        # What a broadcast has told meanwhile is newer than this answer.
        if self.lasting is known:
            self.apply(found)

    def _give_back_unbegun(self) -> None:
        """Give back what waits here for its time, its rate limit or a process."""
        consumer = self.consumer
        for request in list(consumer.settler.unsettled):
            queue = consumer.subscription.queue_of(request.message)
            if queue == self.settings.name and not request.is_handed_over:
                request.give_back()


@control_command(visible=False)
def work_queue_pause(
    state: Any, queue: str, since: str | None = None, by: str | None = None
) -> dict[str, Any]:
    """Obey the pause of ``queue`` that has begun, or, without ``by``, that has ended."""
    pausing = getattr(state.consumer, "pausing", None)
    if pausing is None or pausing.settings.name != queue:
        return {"error": "another work queue"}
    pausing.apply(Pause(since, by) if by else None)
    told: dict[str, Any] = ok("paused" if by else "resumed")
    return told

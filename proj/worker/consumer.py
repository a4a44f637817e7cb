"""Celery's consumer, with nothing dropped and a wrong configuration told in one line."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from amqp.exceptions import AccessRefused, NotAllowed, ResourceLocked
from celery.concurrency import solo
from celery.exceptions import CPendingDeprecationWarning, WorkerShutdown
from celery.platforms import EX_FAILURE
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer

from proj.configuration import HEARTBEAT_SECONDS, work_queue_settings
from proj.dead_letters.decoding import tolerate
from proj.dead_letters.reasons import Reason
from proj.embedded.errors import EmbeddedBrokerError, FileRefused
from proj.errors import (
    BrokerSilent,
    BrokerUntrusted,
    LoginRefused,
    PermissionRefused,
    WorkQueueError,
)
from proj.settings import TASK_OPTIONS, task_option
from proj.topology import delays
from proj.worker.event_loop import spare_removals
from proj.worker.health import TURN_SECONDS, Health
from proj.worker.mailbox import Mailbox
from proj.worker.pausing import LOOK_SECONDS, Pausing, work_queue_pause
from proj.worker.pool import keep_processes_free, refuse_greenlets, tell_every_end
from proj.worker.receiving import Receiver
from proj.worker.request import settled
from proj.worker.retention import LOOK_SECONDS as RETENTION_SECONDS
from proj.worker.retention import Retention
from proj.worker.settling import Settler
from proj.worker.stall import StallWatch
from proj.worker.stopping import Stopping
from proj.worker.subscribing import Subscription
from proj.worker.telling import work_queue_status
from proj.worker.time_limits import time_limit

__all__ = ["Consumer", "time_limit", "work_queue_pause", "work_queue_status"]

logger = get_logger(__name__)

REFUSED_PAUSE_SECONDS = 5

EVENTS_SECONDS = 0.5
"""How long events of tasks wait for each other; 24 of them are sent at once (Celery's limit)."""

SOLO_HEARTBEAT_SECONDS = 120
"""Celery's own default."""


class Consumer(CeleryConsumer):
    """The class that ``worker_consumer`` names."""

    amqheartbeat: Any
    has_consumed = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if isinstance(self.pool, solo.TaskPool) and self.amqheartbeat == HEARTBEAT_SECONDS:
            # Its tasks run between two heartbeats: a longer one would cost it the connection.
            self.amqheartbeat = SOLO_HEARTBEAT_SECONDS
        self.work_queue_settings = work_queue_settings(self.app)
        self.settler = Settler(self, self.work_queue_settings)
        self.subscription = Subscription(self)
        self.stopping = Stopping(self, self.work_queue_settings.stop_grace_seconds)
        self.stall = StallWatch(self, self.work_queue_settings.stall_seconds)
        self.receiver = Receiver(self)
        self.pausing = Pausing(self)
        self.retention = Retention(self)
        self.health = Health(self)
        self.mailbox = Mailbox(self)
        self._repeated: list[Any] = []
        self._events_wait = False
        keep_processes_free(self.controller, self.receiver.give_up_request)
        tell_every_end(self.pool)

    def start(self) -> None:
        """Consume until told to stop; where the queue cannot be used, end with one line."""
        self.stopping.take_signals()
        self.health.write()
        try:
            refuse_greenlets()
            super().start()
        except WorkQueueError as error:
            logger.critical("%s", error)
            raise WorkerShutdown(EX_FAILURE) from error

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        """Return a connection that survives whatever bytes a message has."""
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        try:
            connected = self.ensure_connected(self._telling(tolerate(connection)))
        except (AccessRefused, NotAllowed, BrokerUntrusted, FileRefused) as error:
            if isinstance(error, BrokerUntrusted):
                refused: WorkQueueError = error
            elif isinstance(error, FileRefused):
                refused = BrokerSilent(connection.as_uri(), str(error))
            else:
                refused = LoginRefused(connection.as_uri(), str(error.reply_text))
            if self.restart_count == 0:
                raise refused from error
            # A broker that starts may refuse for a moment what it took before.
            logger.error("%s Trying again in %d s.", refused, REFUSED_PAUSE_SECONDS)  # noqa: TRY400 - one line
            time.sleep(REFUSED_PAUSE_SECONDS)
            raise OSError(str(refused)) from error
        # Kombu would replace a connection that is lost while the worker starts, and the event loop,
        # which knows the first one only, would never read what the broker delivers on the second.
        connected.may_reconnect = not connected.is_amqp
        return connected

    def update_strategies(self) -> None:
        """Let each task's requests be settled by us, also those of tasks that exist already.

        Raises :class:`proj.errors.SettingsError` for an option of ours that cannot work.
        """
        for task in self.app.tasks.values():
            for option in TASK_OPTIONS:
                task_option(task, option)
            task.Request = settled(symbol_by_name(task.Request), self.settler)
        super().update_strategies()

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """Return Celery's handler of a delivered message, guarded by ours.

        Raises :class:`proj.errors.DelaysRefused` where the broker takes no delayed tasks.
        """
        self.subscription.declare()
        delays.declare(self.connection, self.work_queue_settings)
        self.subscription.begin()
        self.has_consumed = True
        self.pausing.begin()
        while self._repeated:
            self._repeated.pop().cancel()
        self._repeat(TURN_SECONDS, self.health.write)
        self._repeat(LOOK_SECONDS, self.pausing.look)
        self._repeat(EVENTS_SECONDS, self._flush_events)
        if self.retention.is_wanted:
            self.retention.look()
            self._repeat(RETENTION_SECONDS, self.retention.look)
        return self.receiver.guarding(super().create_task_handler(*arguments, **options))

    def register_with_event_loop(self, hub: Any) -> None:
        """Watch what Celery watches, the signals to stop, and for a stall."""
        spare_removals(hub)
        super().register_with_event_loop(hub)
        self.stopping.register(hub)
        self.stall.register(hub)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Forget what came over the connection: the broker delivers it again."""
        if isinstance(exc, AccessRefused):
            refused = PermissionRefused(self.connection.as_uri(), str(exc.reply_text))
            if not self.has_consumed:
                raise refused from exc
            logger.error("%s Trying again in %d s.", refused, REFUSED_PAUSE_SECONDS)
            time.sleep(REFUSED_PAUSE_SECONDS)
        if isinstance(exc, EmbeddedBrokerError):
            # Such as a full disk: Celery would connect again at once, and again.
            time.sleep(REFUSED_PAUSE_SECONDS)
        if isinstance(exc, ResourceLocked):
            logger.error(
                "Another worker is named %s, or the broker has not yet noticed that it is gone. "
                "Both work, but remote control and Flower take two workers of one name for one: "
                "give each a name of its own, celery worker -n one@%%h.",
                self.hostname,
            )
        self.settler.forget()
        self.subscription.on_connection_error(exc)
        self.stopping.on_connection_lost()
        self.mailbox.on_connection_error(exc)
        with warnings.catch_warnings():
            # Celery warns that a setting of ours will have another default one day.
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)
        self.health.write()

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Dead-letter what Celery would acknowledge and lose; say it as Celery does."""
        self.receiver.dead_letter_instead(message, Reason.UNDECODABLE, exc)
        super().on_decode_error(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Dead-letter a message that is no task of any protocol."""
        self.receiver.dead_letter_instead(message, Reason.UNDECODABLE, None)
        super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Dead-letter a task that this worker does not know; its failure is recorded by Celery."""
        self.receiver.dead_letter_instead(message, Reason.UNKNOWN_TASK, exc)
        super().on_unknown_task(body, message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Dead-letter a task message that breaks Celery's protocol."""
        self.receiver.dead_letter_instead(message, Reason.UNDECODABLE, exc)
        super().on_invalid_task(body, message, exc)

    def on_send_event_buffered(self) -> None:
        """Let events of tasks wait for each other; Celery sends them at every turn of its loop."""
        self._events_wait = True

    def stop(self) -> None:
        """Send what events wait, then stop."""
        with suppress(*self.connection_errors):
            self._flush_events()
        super().stop()

    def _telling(self, connection: Any) -> Any:
        """Return ``connection``, which tells that the worker lives while it waits for a broker."""
        ensure = connection.ensure_connection

        def ensure_connection(*arguments: Any, callback: Any = None, **options: Any) -> Any:
            return ensure(*arguments, callback=self.health.turning(callback), **options)

        connection.ensure_connection = ensure_connection
        return connection

    def _flush_events(self) -> None:
        if self._events_wait:
            self._events_wait = False
            super()._flush_events()

    def _repeat(self, seconds: float, call: Callable[[], None]) -> None:
        """Call every while, for as long as this connection lasts."""
        self._repeated.append(self.timer.call_repeatedly(seconds, call))

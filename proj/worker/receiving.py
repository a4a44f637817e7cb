"""Receives deliveries: whatever a message holds, it goes on to Celery or into the dead letters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from celery.utils.log import get_logger
from celery.utils.time import maybe_iso8601, maybe_make_aware

from proj.dead_letters.decoding import decode_error, keep_original
from proj.dead_letters.letter import ErrorDetails
from proj.dead_letters.reasons import Reason
from proj.settlement.attempts import may_have_begun
from proj.settlement.decision import Action, Decision
from proj.settlement.outcome import GIVEN_BACK, failed
from proj.settlement.settling import ETA
from proj.worker.failing import raised, record_failure
from proj.worker.plain import as_task_message, is_plain

__all__ = ["Receiver"]

logger = get_logger(__name__)


class Receiver:
    """Stands between the channel of ``consumer`` (ours) and Celery's handler of messages."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.settler = consumer.settler
        self.plain_message_task = consumer.work_queue_settings.plain_message_task
        self.taken = 0
        """How many messages of the work queue were delivered since the worker started."""

    def guarding(self, handle: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return ``handle``, given only what may run, and never letting one message end it."""
        subscription, queue = self.consumer.subscription, self.settler.settings.name
        lost = (*self.consumer.connection_errors, *self.consumer.channel_errors)

        def on_message(message: Any) -> None:
            subscription.note_delivery()
            self.taken += subscription.queue_of(message) == queue
            try:
                if self._may_run(message) and not self._delay(message):
                    handle(message)
            except lost:
                raise
            except Exception as error:
                logger.exception("A message cannot be received")
                self.dead_letter(message, Reason.UNDECODABLE, error)

        return on_message

    def dead_letter(self, message: Any, reason: Reason, error: BaseException | None) -> None:
        """Give up ``message``, which did not begin."""
        if message.acknowledged or getattr(message, "is_settled", False):
            return
        self.settler.drop(message)
        outcome = failed(reason, ErrorDetails.of(error))
        decision = self.settler.decide(message, outcome, has_begun=False)
        self.settler.carry_out(message, decision)

    def dead_letter_instead(self, message: Any, reason: Reason, error: Exception | None) -> None:
        """Give up ``message``, and turn the way in which Celery would drop it into nothing."""
        self.dead_letter(message, reason, error)
        message.ack = message.reject_log_error = _nothing

    def give_up_request(self, request: Any, error: Exception) -> None:
        """Give up a task that cannot be handed to the pool."""
        logger.error(
            "Task %s[%s] cannot be handed to the pool", request.name, request.id, exc_info=error
        )
        request.outcome = failed(Reason.UNDECODABLE, ErrorDetails.of(error))
        request.acknowledge()

    def _delay(self, message: Any) -> bool:
        """Let the broker keep ``message`` until its ETA; return whether it has one to come.

        Our own producers do that themselves. Where the broker does not take it, it waits here as
        any copy does, and others run beside it.
        """
        due, consumer = _due(message), self.consumer
        if due is None or due <= datetime.now(timezone.utc):
            return False
        if not consumer.connection.is_amqp or message.headers.get("task") not in consumer.app.tasks:
            return False
        decision = self.settler.decide(message, GIVEN_BACK, has_begun=False)
        self.settler.carry_out(message, replace(decision, due=due))
        return True

    def _may_run(self, message: Any) -> bool:
        error = decode_error(message)
        if error is not None:
            self.dead_letter(message, Reason.UNDECODABLE, error)
            return False
        redelivered = message.delivery_info.get("redelivered", False)
        if may_have_begun(message.headers, redelivered=redelivered):
            decision = self._decided(message)
            if decision is not None:
                self.settler.carry_out(message, decision)
                return False
        if self.plain_message_task and is_plain(message):
            keep_original(message)
            try:
                as_task_message(message, self.plain_message_task)
            except (UnicodeDecodeError, LookupError) as problem:
                self.consumer.on_decode_error(message, problem)
                return False
        return True

    def _decided(self, message: Any) -> Decision | None:
        task = message.headers.get("task")
        if task is None and self.plain_message_task and is_plain(message):
            task = self.plain_message_task
        decision: Decision | None = self.settler.before_it_begins(
            message, task if isinstance(task, str) else None
        )
        if decision is not None and decision.action is Action.DEAD_LETTER:
            self._record_exhaustion(message, task, decision)
        return decision

    def _record_exhaustion(self, message: Any, name: Any, decision: Decision) -> None:
        """Tell result backend, signals and events of a task whose worker was lost each time."""
        task = self.consumer.app.tasks.get(name) if isinstance(name, str) else None
        if task is None or "id" not in message.headers:
            return
        try:
            request = task.Request(
                message,
                app=self.consumer.app,
                hostname=self.consumer.hostname,
                eventer=self.consumer.event_dispatcher,
                task=task,
            )
            self.settler.unsettled.discard(request)
            record_failure(request, raised(AttemptsExhausted(decision.error.message)))
        except Exception:
            logger.exception("The failure of a task whose attempts are exhausted is not recorded")


def _due(message: Any) -> datetime | None:
    """Return the ETA of ``message``; None without one, and for one that Celery will refuse."""
    eta = message.headers.get(ETA)
    try:
        due: datetime | None = maybe_make_aware(maybe_iso8601(eta)) if eta else None
    except (AttributeError, OverflowError, TypeError, ValueError):
        return None
    return due


def _nothing(*_: Any, **__: Any) -> None:
    """Take the place of an acknowledgement that the settler will send."""


class AttemptsExhausted(Exception):
    """The result of a task that was begun as often as the limit allows, and never ended."""

"""Settles the deliveries of one worker: copies are published beside the event loop, never in it.

A usual message never comes here: success acknowledges, as in Celery.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from celery.utils.log import get_logger

from proj.dead_letters.copying import Copies, CopyRefused, Original
from proj.dead_letters.decoding import original_of, tolerate
from proj.dead_letters.properties import decode
from proj.settings import Settings, task_option
from proj.settlement.decision import Action, Decision, before_it_begins, decide
from proj.settlement.delivery import Delivery, Limits
from proj.settlement.outcome import Outcome
from proj.settlement.settling import copy_if_needed
from proj.topology.names import dead_letter_queue_name
from proj.worker.beside import BesideLoop
from proj.worker.waiting import Waiting

__all__ = ["Settler"]

logger = get_logger(__name__)

TIMEOUT_SECONDS = 5.0
"""How long a copy may take: connecting, and the broker's confirmation."""


@dataclass(frozen=True)
class Job:
    """One delivery that needs a copy before it may be acknowledged."""

    message: Any
    delivery: Delivery
    decision: Decision
    acknowledge: bool


class Settler:
    """What becomes of each delivery of ``consumer`` (ours)."""

    def __init__(self, consumer: Any, settings: Settings) -> None:
        self.consumer = consumer
        self.settings = settings
        self.dead_letter_queue = dead_letter_queue_name(settings.name)
        self.waiting = Waiting(self)
        self.copies = Copies(self.connect, timeout_seconds=TIMEOUT_SECONDS)
        self.beside = BesideLoop(consumer)
        self._loop_thread = threading.get_ident()
        self.unsettled: set[Any] = set()
        """Requests whose message the broker still counts as ours."""

    def delivery(self, message: Any, task: str | None = None) -> Delivery:
        """Return ``message`` (Kombu's) as settlement sees it."""
        original = original_of(message)
        headers = _headers_of(message, original)
        # A plain message names its task nowhere; what the receiver has made of it does.
        name = task or headers.get("task") or message.headers.get("task")
        return Delivery(
            original=original,
            headers=headers,
            queue=self.consumer.subscription.queue_of(message),
            redelivered=bool(message.delivery_info.get("redelivered")),
            task=name if isinstance(name, str) else None,
        )

    def limits(self, task: str | None) -> Limits:
        """Return the limits for ``task``: its own options, else the settings."""
        own = self.consumer.app.tasks.get(task) if task else None
        attempts = task_option(own, "attempts_limit")
        keep = task_option(own, "dead_letter_failures")
        return Limits(
            self.settings.attempts_limit if attempts is None else attempts,
            self.settings.dead_letter_failures if keep is None else keep,
        )

    def before_it_begins(self, message: Any, task: str | None) -> Decision | None:
        """Return what to do with ``message`` instead of running it; None to run it."""
        delivery = self.delivery(message, task)
        return before_it_begins(delivery, self.limits(delivery.task))

    def decide(
        self, message: Any, outcome: Outcome, task: str | None = None, *, has_begun: bool
    ) -> Decision:
        """Return what becomes of ``message``, without doing it."""
        delivery = self.delivery(message, task)
        return decide(delivery, outcome, self.limits(delivery.task), has_begun=has_begun)

    def carry_out(
        self, message: Any, decision: Decision, task: str | None = None, *, acknowledge: bool = True
    ) -> None:
        """Do what was decided; ``acknowledge`` is False for a task acknowledged as it began."""
        if decision.action is Action.ACKNOWLEDGE:
            if not acknowledge:
                return
            if threading.get_ident() == self._loop_thread:
                self.acknowledge(message)
            else:
                # A thread of the pool: one TLS connection is not for two threads at once.
                self.consumer.call_soon(self.acknowledge, message)
            return
        if acknowledge and is_back(message):
            logger.warning("Delivery %s is with the broker again: no copy.", message.delivery_tag)
            return
        job = Job(message, self.delivery(message, task), decision, acknowledge)
        if decision.action is Action.DEAD_LETTER:
            logger.error(
                "Dead letter: %s: task %s from %s, attempts %d: %s %s",
                decision.reason and decision.reason.value,
                job.delivery.task,
                job.delivery.queue,
                decision.attempts,
                decision.error.exception,
                decision.error.message[:200],
            )
        self.submit(job)

    def submit(self, job: Job) -> None:
        """Publish the copy that ``job`` needs, then settle its message."""
        job.message.is_settled = True
        self.beside.do(lambda: self._copy(job), lambda refusal: self._finish(job, refusal))

    def acknowledge(self, message: Any) -> None:
        """Acknowledge ``message``; on a channel that is gone, say that it will come again."""
        try:
            # Of the class: on the message itself, the receiver may have made it do nothing.
            type(message).ack(message)
        except (*self.consumer.connection_errors, *self.consumer.channel_errors) as error:
            logger.warning(
                "Delivery %s cannot be acknowledged, it will be delivered again: %r",
                message.delivery_tag,
                error,
            )

    def drop(self, message: Any) -> None:
        """Drop the request that was made of ``message``, which will not run."""
        self.unsettled = {each for each in self.unsettled if each.message is not message}

    def forget(self) -> None:
        """Forget what came over a connection that is gone: the broker delivers it again."""
        self.unsettled.clear()
        self.waiting.forget()

    def _copy(self, job: Job) -> CopyRefused | None:
        try:
            copy_if_needed(job.decision, job.delivery, self.copies, self.dead_letter_queue)
        except CopyRefused as refusal:
            return refusal
        except Exception as error:  # the thread must outlive whatever one message does to it
            logger.exception("A copy cannot be made")
            return CopyRefused(repr(error))
        return None

    def _finish(self, job: Job, refusal: CopyRefused | None) -> None:
        self.waiting.under_way.discard(id(job.message))
        if refusal is None:
            self.waiting.took(job)
            if job.acknowledge:
                self.acknowledge(job.message)
        elif not is_back(job.message):
            self.waiting.add(job, refusal)

    def connect(self) -> Any:
        """Return a connection for copies."""
        # Tolerant, for the broker may return a message that py-amqp cannot decode.
        connection = tolerate(self.consumer.app.connection_for_write())
        connection.connect()
        return connection


def is_back(message: Any) -> bool:
    """Return whether the connection of ``message`` is gone, and the broker delivers it again."""
    return getattr(message.channel, "connection", None) is None


def _headers_of(message: Any, original: Original) -> Mapping[str, Any]:
    raw = getattr(message, "raw", None)
    read = decode(original.properties) if raw is None else raw.properties
    return cast("Mapping[str, Any]", read.get("application_headers") or {})

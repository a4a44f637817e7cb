"""Gathers a snapshot: counts by AMQP or from the broker file, the rest from the workers."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from amqp.exceptions import NotFound
from celery import Celery

from proj import pause
from proj.broker.asking import asked
from proj.broker.management import Management, limits_of
from proj.commands.status.snapshot import QueueState, Snapshot
from proj.configuration import work_queue_settings
from proj.dead_letters.taking import letters_in
from proj.errors import ManagementUnavailable
from proj.topology.names import DELAY_LEVELS, dead_letter_queue_name

__all__ = ["gather", "with_rates"]

ANSWER_SECONDS = 1.0


MOST_LETTERS = 1_000
"""Looking for the oldest dead letter holds them all for a moment: more are left in peace."""


def gather(app: Celery, before: Snapshot | None = None) -> Snapshot:
    """Return how things are now. Raises :class:`proj.errors.BrokerSilent`.

    Rates are told by the management API, else seen as the difference to the snapshot ``before``.
    """
    settings = work_queue_settings(app)
    connection = app.connection_for_read()
    found = Snapshot(
        when=datetime.now(timezone.utc),
        broker=connection.as_uri(),
        work=QueueState(settings.name),
        delayed=QueueState("delayed"),
        dead_letters=QueueState(dead_letter_queue_name(settings.name)),
    )
    with asked(connection) as channel:
        _count(channel, found.work)
        _count(channel, found.dead_letters)
        _count_delayed(channel, found)
        if found.work.ready is not None:
            # Else no worker has been here, and a look declares nothing.
            found.pause = pause.current(channel, settings, before.pause if before else None)
        found.dead_letters.oldest_seconds = _age_of_oldest_letter(channel, found, before)
        _ask_workers(app, channel.connection.client, found)
    if found.work.in_work is None and found.all_answered:
        found.work.in_work = sum(each["in_work"] for each in found.workers.values())
    if settings.management_url:
        api = Management(settings.management_url, connection)
        try:
            for queue in (found.work, found.dead_letters):
                _complete(queue, api.queue(queue.name))
        except ManagementUnavailable as error:
            found.problem = str(error)
    if before:
        with_rates(before, found)
    return found


def with_rates(before: Snapshot, now: Snapshot) -> None:
    """Fill in the rates of ``now`` that nobody told, where two samples show them."""
    seconds = (now.when - before.when).total_seconds()
    now.dead_letters_grown = (now.dead_letters.ready or 0) - (before.dead_letters.ready or 0)
    same = before.workers.keys() == now.workers.keys() and now.taken >= before.taken
    was_ready, ready = before.work.ready, now.work.ready
    if was_ready is None or ready is None or not (same and now.all_answered and seconds > 0):
        return
    taken = now.taken - before.taken
    if now.work.out_per_second is None:
        now.work.out_per_second = taken / seconds
    if now.work.in_per_second is None:
        # What runs again after its worker was lost goes back without having come in.
        now.work.in_per_second = max(0.0, (taken + ready - was_ready) / seconds)


def _count(channel: Any, queue: QueueState) -> None:
    try:
        declared = channel.queue_declare(queue.name, passive=True)
    except NotFound:
        return
    queue.ready, queue.consumers = declared.message_count, declared.consumer_count
    if hasattr(channel, "state_of"):
        queue.in_work, published = channel.state_of(queue.name)
        if queue.ready and published:
            queue.oldest_seconds = max(0.0, time.time() - published)


def _complete(queue: QueueState, told: dict[str, Any] | None) -> None:
    if not told:
        return
    queue.in_work = told.get("messages_unacknowledged", queue.in_work)
    stats = told.get("message_stats", {})
    queue.in_per_second = stats.get("publish_details", {}).get("rate", 0.0)
    queue.out_per_second = stats.get("ack_details", {}).get("rate", 0.0)
    if told.get("head_message_timestamp"):
        queue.oldest_seconds = max(0.0, time.time() - told["head_message_timestamp"])
    queue.most = limits_of(told).get("max-length")


def _count_delayed(channel: Any, found: Snapshot) -> None:
    if hasattr(channel, "delayed_count"):
        if found.work.ready is not None:
            found.delayed.ready = channel.delayed_count(found.work.name)
        return
    # Shared by all work queues of the virtual host.
    found.delayed.name = "delayed, any queue"
    try:
        found.delayed.ready = sum(
            channel.queue_declare(level, passive=True).message_count for level in DELAY_LEVELS
        )
    except NotFound:
        found.delayed.ready = 0  # they are declared with the first delayed task or worker


def _age_of_oldest_letter(channel: Any, found: Snapshot, before: Snapshot | None) -> float | None:
    letters, seen = found.dead_letters, before and before.dead_letters
    if not letters.ready:
        return None
    if before and seen and seen.oldest_seconds is not None and letters.ready >= (seen.ready or 0):
        # Taken once: on RabbitMQ 3.10 a quorum queue counts each look.
        return seen.oldest_seconds + (found.when - before.when).total_seconds()
    if letters.ready > MOST_LETTERS and not hasattr(channel, "browse"):
        return None
    # All of them: what a quorum queue was given back may stand behind younger ones.
    looked_at = islice(letters_in(channel, letters.name), MOST_LETTERS)
    died = [each.letter.when for each in looked_at if each.letter.when]
    return max(0.0, (found.when - min(died)).total_seconds()) if died else None


def _ask_workers(app: Celery, connection: Any, found: Snapshot) -> None:
    # As many answers as consumers are soon there, but workers of other queues of the virtual host
    # answer too, and may be the first: then all are waited for.
    for limit in dict.fromkeys((found.work.consumers or None, None)):
        answers = app.control.broadcast(
            "work_queue_status",
            reply=True,
            timeout=ANSWER_SECONDS,
            connection=connection,
            limit=limit,
        )
        told = {node: answer for each in answers or () for node, answer in each.items()}
        found.workers = {
            node: answer
            for node, answer in sorted(told.items())
            if isinstance(answer, dict) and answer.get("queue") == found.work.name
        }
        if found.all_answered:
            return

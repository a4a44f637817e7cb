"""Whether what the broker gives up arrives among the dead letters, and delayed tasks have a way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from amqp.exceptions import NotFound

from proj.dead_letters.selecting import Selection
from proj.dead_letters.taking import holding
from proj.doctor.live.broker import private_name, publish
from proj.doctor.live.reached import Reached
from proj.topology.declaring import work_queue_arguments
from proj.topology.names import DEFAULT_EXCHANGE, DELAY_LEVELS, DELIVERY_EXCHANGE

MOST_LETTERS = 1_000
"""Taking the probe back holds each letter before it for a moment: more are left in peace."""

ROUND_SECONDS = 5.0

POLL_SECONDS = 0.05

PROBE_LIVES_MILLISECONDS = 60_000
"""A probe's queue that nobody deleted, because the command was killed, deletes itself."""


def delays_undeclared(reached: Reached) -> list[str]:
    examined, missing = reached.examined, []
    if examined.is_rabbitmq and examined.publishes_through_us:
        for exchange in (DELAY_LEVELS[-1], DELIVERY_EXCHANGE):
            with reached.connection.channel() as channel:
                try:
                    channel.exchange_declare(exchange, "topic", passive=True)
                except NotFound:
                    missing.append(repr(exchange))
    return missing


def dead_letter_route_broken(reached: Reached) -> str | None:
    """Let a message go from a private queue, made as the work queue is, to the dead letters."""
    ready, _ = reached.counts(reached.dead_letters) or (MOST_LETTERS + 1, 0)
    if ready > MOST_LETTERS or reached.alarm:
        return None
    probe = private_name()
    arguments = {
        **work_queue_arguments(reached.examined.settings),
        "x-dead-letter-exchange": DEFAULT_EXCHANGE,
        "x-dead-letter-routing-key": reached.dead_letters,
        "x-expires": PROBE_LIVES_MILLISECONDS,
    }
    with reached.connection.channel() as channel:
        channel.queue_declare(probe, durable=True, auto_delete=False, arguments=arguments)
        try:
            publish(channel, probe, message_id=probe)
            arrived = _rejected(channel, probe) and _taken_back(reached, probe)
        finally:
            channel.queue_delete(probe)
    return None if arrived else f"{reached.dead_letters!r} had none after {ROUND_SECONDS:g} s"


def _rejected(channel: Any, queue: str) -> bool:
    for _ in _until_late():
        if (message := channel.basic_get(queue)) is not None:
            channel.basic_reject(channel.message_to_python(message).delivery_tag, requeue=False)
            return True
    return False


def _taken_back(reached: Reached, probe: str) -> bool:
    """Take the probe from among the dead letters, once it is there; say whether it came."""
    for _ in _until_late():
        with holding(reached.examined.app, slowly=True) as held:
            for tag, letter in held:
                if Selection(ids=(probe,)).fits(letter):
                    held.remove(tag)
                    return True
    return False


def _until_late() -> Iterator[None]:
    until = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < until:
        yield
        time.sleep(POLL_SECONDS)

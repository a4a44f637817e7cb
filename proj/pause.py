"""The pause of a work queue, kept on the broker: the queue ``<name>.paused`` holds its messages.

Whoever looks only counts them; so many are published that many may be read while others count.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from amqp.exceptions import AccessRefused, PreconditionFailed
from kombu.entity import PERSISTENT_DELIVERY_MODE

from proj.dead_letters.taking import Held
from proj.settings import Settings
from proj.topology.declaring import dead_letter_queue_arguments
from proj.topology.names import DEFAULT_EXCHANGE, pause_queue_name

__all__ = ["Pause", "begin", "current", "end", "whoever_runs_this"]

MESSAGES = 32

READABLE = 2
"""With fewer, none is read: the last one is left alone, it tells the workers that it lasts."""

READ_SECONDS = 2.0
"""How long it is waited for a message that somebody else reads."""

WAIT_SECONDS = 0.05


@dataclass(frozen=True)
class Pause:
    """A pause that lasts."""

    since: str | None
    """ISO 8601, UTC; None where it cannot be read now."""
    by: str | None

    def __str__(self) -> str:
        return f"since {self.since or '?'} by {self.by or '?'}"


def begin(channel: Any, settings: Settings, by: str) -> Pause:
    """Pause the queue, on any Kombu ``channel``; one that is paused already stays as it is."""
    found = current(channel, settings)
    if found and found.by:
        return found
    pause = Pause(datetime.now(timezone.utc).isoformat(timespec="seconds"), by)
    body = json.dumps({"since": pause.since, "by": pause.by}).encode()
    queue = pause_queue_name(settings.name)
    for _ in range(MESSAGES):
        properties = {"delivery_mode": PERSISTENT_DELIVERY_MODE}
        message = channel.prepare_message(
            body, content_type="application/json", properties=properties
        )
        channel.basic_publish(message, DEFAULT_EXCHANGE, queue, mandatory=True)
    return pause


def end(channel: Any, settings: Settings) -> Pause | None:
    """End the pause; return what it was, None if there was none."""
    found = current(channel, settings)
    if found:
        # Purging would leave a message that somebody reads now.
        channel.queue_delete(pause_queue_name(settings.name))
        _count(channel, settings)
    return found


def current(channel: Any, settings: Settings, known: Pause | None = None) -> Pause | None:
    """Return the pause that lasts now, None if there is none; ``known`` need not be read again."""
    if not _count(channel, settings):
        return None
    return known or _read(channel, settings)


def whoever_runs_this() -> str:
    """Return user and host of this process."""
    import getpass  # noqa: PLC0415 - workers only look whether a pause lasts

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _count(channel: Any, settings: Settings) -> int:
    """Return how many messages the queue holds that nobody reads; declare it where there is none.

    A passive declaration would write an error into RabbitMQ's log at every look.
    """
    queue, arguments = pause_queue_name(settings.name), dead_letter_queue_arguments(settings)
    try:
        found = channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
    except (AccessRefused, PreconditionFailed):
        # It may be there all the same: for an account that only reads, or from other settings.
        found = channel.queue_declare(queue, passive=True)
    return int(found.message_count)


def _read(channel: Any, settings: Settings) -> Pause:
    until = time.monotonic() + READ_SECONDS
    while _count(channel, settings) < READABLE and time.monotonic() < until:
        time.sleep(WAIT_SECONDS)
    with Held(channel, pause_queue_name(settings.name), slowly=True) as held:
        first = next(iter(held), None) if held.count >= READABLE else None
    try:
        told = json.loads(first[1].original.body) if first else {}
        return Pause(str(told["since"]), str(told["by"]))
    except (ValueError, KeyError, TypeError):
        return Pause(None, None)  # not written by us; it pauses all the same

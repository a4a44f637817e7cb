"""Declares the work queue and its dead-letter queue; adopts what exists, and never alters it."""

from __future__ import annotations

import re
from typing import Any

from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed

from proj.errors import QueueMismatch
from proj.settings import Settings
from proj.topology.names import DEFAULT_EXCHANGE, dead_letter_queue_name

__all__ = [
    "DELIVERY_LIMIT",
    "INEQUIVALENT",
    "dead_letter_queue_arguments",
    "declare",
    "declare_dead_letters",
    "work_queue_arguments",
]

INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)' for queue '(?P<queue>[^']+)'.*?: "
    r"received (?P<wanted>.+?) but current is (?P<found>.+)$",
    re.DOTALL,
)
"""RabbitMQ's text of a 406 for ``queue.declare``; it is the only place where the value stands."""


DELIVERY_LIMIT = "x-delivery-limit"


def declare(connection: Any, settings: Settings) -> None:
    """Declare both queues, the dead-letter queue first, over ``connection`` (a Kombu connection).

    An account that may not configure them, or not even look, takes them as they are. Raises
    :class:`QueueMismatch` for a queue that exists with other properties, and
    ``amqp.exceptions.AccessRefused`` for one that is missing and may not be declared.
    """
    # The dead-letter queue first: no moment in which the work queue could dead-letter to nowhere.
    declare_dead_letters(connection, settings)
    _declare(connection, settings.name, work_queue_arguments(settings))


def declare_dead_letters(connection: Any, settings: Settings) -> None:
    """Declare the dead-letter queue alone; raises as :func:`declare`."""
    dead_letters = dead_letter_queue_name(settings.name)
    arguments = dead_letter_queue_arguments(settings)
    if arguments.get("x-queue-type") == "quorum" and _has_delivery_limit(connection):
        arguments[DELIVERY_LIMIT] = -1
    try:
        _declare(connection, dead_letters, arguments)
    except QueueMismatch as mismatch:
        if mismatch.argument != DELIVERY_LIMIT:  # else it was made by an earlier release: it stays
            raise


def work_queue_arguments(settings: Settings) -> dict[str, Any]:
    """Return the work queue's arguments: none under ``policy``, as a plain client declares it."""
    if settings.ownership == "policy":
        return {}
    arguments = {
        "x-queue-type": settings.type,
        "x-dead-letter-exchange": DEFAULT_EXCHANGE,
        "x-dead-letter-routing-key": dead_letter_queue_name(settings.name),
    }
    if settings.type == "quorum":
        # What the broker itself dead-letters is kept until the dead-letter queue has confirmed it;
        # RabbitMQ offers that only together with reject-publish.
        # https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
        arguments["x-dead-letter-strategy"] = "at-least-once"
        arguments["x-overflow"] = "reject-publish"
    return arguments


def dead_letter_queue_arguments(settings: Settings) -> dict[str, Any]:
    """Return the dead-letter queue's arguments: the work queue's type, under ``policy`` none."""
    return {} if settings.ownership == "policy" else {"x-queue-type": settings.type}


def _has_delivery_limit(connection: Any) -> bool:
    """Return whether quorum queues drop a message whose holders were lost 20 times.

    So they do since RabbitMQ 4.0, unless the limit is -1, which earlier releases take for zero:
    https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
    """
    version = getattr(connection.connection, "server_properties", {}).get("version", "0")
    return int(version.split(".")[0]) >= 4  # noqa: PLR2004 - the release


def _declare(connection: Any, name: str, arguments: dict[str, Any]) -> None:
    # A channel of its own: the broker closes the channel of a declaration that it refuses.
    channel = connection.channel()
    try:
        channel.queue_declare(queue=name, durable=True, auto_delete=False, arguments=arguments)
    except AccessRefused as refused:
        channel = connection.channel()
        try:
            channel.queue_declare(queue=name, passive=True)
        except NotFound:
            raise refused from None
        except AccessRefused:
            # RabbitMQ 4.3 lets nobody look who has no right on the queue itself. Publishing needs
            # none, and a message to a queue that is missing comes back.
            channel = connection.channel()
    except PreconditionFailed as error:
        raise _mismatch(name, str(error.reply_text or error)) from error
    channel.close()


def _mismatch(queue: str, text: str) -> QueueMismatch:
    told = INEQUIVALENT.search(text)
    if told is None:
        return QueueMismatch(queue, "a property", "another value", text)
    return QueueMismatch(queue, told["argument"], told["wanted"], told["found"])

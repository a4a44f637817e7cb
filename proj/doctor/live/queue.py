"""Whether the queues are there, as described, and read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from amqp.exceptions import AccessRefused, PreconditionFailed

from proj.broker.management import limits_of
from proj.doctor.live.reached import Reached
from proj.topology import declaring
from proj.topology.declaring import DELIVERY_LIMIT, INEQUIVALENT
from proj.topology.names import DEFAULT_EXCHANGE

VALUE = re.compile(r"the value '(?P<text>.*)' of type", re.DOTALL)
"""How RabbitMQ's 406 names a value; without an argument it says ``none``."""

MOST_DIFFERENCES = 10


def queue_missing(reached: Reached) -> list[str]:
    queues = (reached.queue, reached.dead_letters)
    return [repr(queue) for queue in queues if reached.counts(queue) is None]


def queue_differs(reached: Reached) -> list[str]:
    settings = reached.examined.settings
    wanted = {
        reached.dead_letters: declaring.dead_letter_queue_arguments(settings),
        reached.queue: declaring.work_queue_arguments(settings),
    }
    return [
        f"Queue {queue!r} has {name} = {found or repr('')}, "
        f"and the configuration says {described or repr('')}"
        for queue, arguments in wanted.items()
        if reached.counts(queue) is not None
        for name, described, found in _differences(reached, queue, dict(arguments))
        # Of the dead-letter queue an earlier release has made; dead-letters-dropped looks at it.
        if (queue, name) != (reached.dead_letters, DELIVERY_LIMIT)
    ]


def policy_differs(reached: Reached) -> list[str]:
    by_policy = reached.examined.settings.ownership == "policy"
    told = reached.management and by_policy and reached.management.queue(reached.queue)
    if not told:
        return []
    wanted = {
        "dead-letter-exchange": DEFAULT_EXCHANGE,
        "dead-letter-routing-key": reached.dead_letters,
    }
    found = limits_of(told)
    return [
        f"Queue {reached.queue!r} has {key} = {found.get(key)!r}, and should have {value!r}"
        for key, value in wanted.items()
        if found.get(key) != value
    ]


def no_consumer(reached: Reached) -> str | None:
    ready, consumers = reached.counts(reached.queue) or (0, 1)
    return None if consumers else f"{reached.queue!r}, where {ready} messages wait"


def dead_letters_waiting(reached: Reached) -> str | None:
    ready, consumers = reached.counts(reached.dead_letters) or (0, 0)
    return f"{ready} dead letters in {reached.dead_letters!r}" if ready and not consumers else None


def _differences(
    reached: Reached, queue: str, arguments: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield name, described and found value of each property of ``queue`` that differs.

    The broker names the first one only: what it has there is taken over, until it accepts the
    whole. To declare a queue that exists changes nothing.
    """
    declared: dict[str, Any] = {"durable": True, "auto_delete": False}
    for _ in range(MOST_DIFFERENCES):
        with reached.connection.channel() as channel:
            try:
                channel.queue_declare(queue, arguments=arguments, **declared)
            except AccessRefused:
                return  # an account that may not declare takes the queue as it is
            except PreconditionFailed as error:
                told = INEQUIVALENT.search(str(error.reply_text))
                if told is None:
                    raise
            else:
                return
        name, found = told["argument"], _plain(told["found"])
        yield name, _plain(told["wanted"]), found
        if name in declared:
            declared[name] = found.lower() == "true"
        elif found.lower() == "none":
            arguments.pop(name, None)
        else:
            arguments[name] = int(found) if found.removeprefix("-").isdigit() else found


def _plain(told: str) -> str:
    value = VALUE.search(told)
    return value["text"] if value else told.strip("'")

"""Whether the broker is one that we know, takes messages, and answers for them."""

from __future__ import annotations

import secrets
from typing import Any

from amqp.exceptions import ChannelError, MessageNacked
from kombu.entity import PERSISTENT_DELIVERY_MODE

from proj.broker import deadline
from proj.broker.channel import Returned
from proj.doctor.live.reached import Reached
from proj.publishing.failures import NO_ROUTE

__all__ = ["private_name", "publish"]

OLDEST = (3, 10)

ANSWER_SECONDS = 5.0


def version_unsupported(reached: Reached) -> str | None:
    version = reached.examined.version
    return ".".join(map(str, version)) if version < OLDEST else None


def confirms_unanswered(reached: Reached) -> str | None:
    arguments = {"x-queue-type": "classic"}  # no other type is exclusive
    with reached.connection.channel() as channel:
        queue = channel.queue_declare(private_name(), exclusive=True, arguments=arguments).queue
        try:
            publish(channel, queue)
        except (OSError, MessageNacked, *reached.connection.connection_errors) as error:
            reached.alarm = reached.connection.blocked_because
            # A broker in alarm reads nothing more from this connection; the next check has another.
            # https://www.rabbitmq.com/docs/connection-blocked
            reached.connection.collect()
            return None if reached.alarm else str(error) or "no answer in time"
    return None


def broker_alarm(reached: Reached) -> str | None:
    return reached.alarm


def mandatory_unanswered(reached: Reached) -> str | None:
    if reached.alarm:
        return None
    nowhere = private_name()
    with reached.connection.channel() as channel:
        try:
            publish(channel, nowhere)
        except ChannelError as error:
            if not isinstance(error, Returned) and error.reply_code != NO_ROUTE:
                raise
            return None
    return repr(nowhere)


def private_name() -> str:
    """Return the name of a queue that nobody has, and that a worker's account may declare."""
    # As the queues in which workers and Flower take events: least permissions name celeryev.*
    return f"celeryev.doctor.{secrets.token_hex(8)}"


def publish(channel: Any, queue: str, message_id: str = "doctor") -> None:
    """Publish a persistent, mandatory message to ``queue``; raises what the channel raises."""
    message = channel.prepare_message(
        b"doctor",
        # No worker takes it for a task or for plain text, should it ever be replayed.
        content_type="application/x-doctor-probe",
        content_encoding="binary",
        headers={},
        properties={"delivery_mode": PERSISTENT_DELIVERY_MODE, "message_id": message_id},
    )
    with deadline.within(ANSWER_SECONDS):
        channel.basic_publish(message, exchange="", routing_key=queue, mandatory=True)

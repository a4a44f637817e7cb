"""Says a failed publish as one of our errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amqp import spec
from amqp.exceptions import ChannelError, MessageNacked, NotFound

from proj.broker.channel import Blocked, Returned, Unconfirmed, destination_of
from proj.errors import (
    BrokerUnavailable,
    BrokerUntrusted,
    OutcomeUnknown,
    PublishError,
    Refused,
    Unroutable,
)
from proj.topology.names import DEFAULT_EXCHANGE

__all__ = ["NO_ROUTE", "as_publish_error", "destination"]

DECLARE = spec.Queue.Declare

NO_ROUTE = 312
"""The reply code of ``basic.return``, with which the embedded broker refuses."""

LOGIN = (0, 0)
"""The AMQP method that a refused login names: none."""


def as_publish_error(
    error: BaseException,
    broker: str,
    where: Mapping[str, str | None],
    *,
    perhaps_held: bool = False,
) -> PublishError:
    """Return what ``error`` of Kombu, py-amqp or the socket means for the message of ``where``.

    Whatever came last, the outcome is unknown where the broker ``perhaps_held`` the message before.
    """
    if isinstance(error, BrokerUntrusted):
        return BrokerUntrusted(broker, error.reason, **where)
    kind, reason = _meaning(error)
    return (OutcomeUnknown if perhaps_held else kind)(broker, reason, **where)


def destination(options: Mapping[str, Any], routing_key: str | None) -> dict[str, str | None]:
    """Return which message goes where, from the options of ``Producer.publish``.

    The keys are attributes of :class:`proj.errors.PublishError`.
    """
    exchange = options.get("exchange") or DEFAULT_EXCHANGE
    name = str(getattr(exchange, "name", exchange))
    task_id = (options.get("headers") or {}).get("id") or options.get("correlation_id")
    return destination_of(task_id, name, routing_key)


def _meaning(error: BaseException) -> tuple[type[PublishError], str]:
    if isinstance(error, Returned):
        return Unroutable, error.reason
    text = str(getattr(error, "reply_text", None) or error) or type(error).__name__
    if isinstance(error, MessageNacked):
        return Refused, "the queue is full, or cannot take messages now (basic.nack)"
    if isinstance(error, Blocked):
        return BrokerUnavailable, f"it takes no messages, being {text}"
    if isinstance(error, Unconfirmed):
        return OutcomeUnknown, text
    if isinstance(error, ChannelError) and error.method_sig != LOGIN:
        is_missing = isinstance(error, NotFound) or error.method_sig == DECLARE
        nowhere = is_missing or error.reply_code == NO_ROUTE
        return (Unroutable if nowhere else Refused), text
    unanswered = isinstance(error, TimeoutError) and text == "timed out"
    return BrokerUnavailable, "no answer in time" if unanswered else text

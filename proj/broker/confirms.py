"""What the broker answered to each message published on a channel, told apart by delivery tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import Any

__all__ = ["Answer", "Confirms", "Published"]


class Answer(Enum):
    """What the broker said of a message: https://www.rabbitmq.com/docs/confirms ."""

    HELD = "basic.ack"
    REFUSED = "basic.nack"
    RETURNED = "basic.return"
    CLOSED = "channel.close"
    """It came before an answer, so the broker does not hold the message."""


@dataclass(slots=True)
class Published:
    """One message that was written, and what has been answered so far."""

    exchange: str
    routing_key: str
    properties: Mapping[str, Any]
    answer: Answer | None = None
    """None until the broker has answered for good."""
    return_text: str | None = None
    """The broker's reason for giving the message back, which comes before its ``basic.ack``."""


class Confirms:
    """The messages of one channel in confirm mode that have no answer yet."""

    def __init__(self) -> None:
        self._last_tag = 0
        self._waiting: dict[int, Published] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def published(
        self, exchange: str, routing_key: str, properties: Mapping[str, Any]
    ) -> Published:
        """Note a message that is written now; the broker numbers them in the same order."""
        self._last_tag += 1
        message = self._waiting[self._last_tag] = Published(exchange, routing_key, properties)
        return message

    def settle(self, delivery_tag: int, answer: Answer, *, multiple: bool) -> None:
        """Note ``answer`` for the message of this tag, or for all up to it (all: tag 0)."""
        last = delivery_tag or self._last_tag
        settled = takewhile(lambda tag: tag <= last, self._waiting) if multiple else (delivery_tag,)
        for tag in tuple(settled):
            message = self._waiting.pop(tag, None)
            if message is not None:
                message.answer = Answer.RETURNED if message.return_text is not None else answer

    def close(self) -> None:
        """Note that the broker closed the channel: what has no answer will have none."""
        for message in self._waiting.values():
            message.answer = Answer.CLOSED

    def give_back(
        self, text: str, exchange: str, routing_key: str, properties: Mapping[str, Any]
    ) -> None:
        """Note that the broker returned a message, and why.

        A ``basic.return`` carries no tag. It belongs to the oldest unanswered message with the same
        exchange, routing key and properties: the broker returns in the order of publishing.
        """
        for message in self._waiting.values():
            if (
                message.return_text is None
                and (message.exchange, message.routing_key) == (exchange, routing_key)
                and message.properties.get("correlation_id") == properties.get("correlation_id")
                and message.properties.get("message_id") == properties.get("message_id")
            ):
                message.return_text = text
                return

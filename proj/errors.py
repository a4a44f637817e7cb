"""Every error that this package raises: what happened, to which queue or message, what to do next.

WorkQueueError
├── SettingsError            the configuration is wrong; all problems in one text
├── QueueMismatch            a queue exists with other properties than the configuration says
└── BrokerUnavailable        no connection to the broker (also kombu's OperationalError)
"""

from __future__ import annotations

from collections.abc import Sequence

from celery.exceptions import ImproperlyConfigured
from kombu.exceptions import OperationalError

__all__ = ["BrokerUnavailable", "QueueMismatch", "SettingsError", "WorkQueueError"]


class WorkQueueError(Exception):
    """The root of every error of this package."""


class SettingsError(WorkQueueError, ImproperlyConfigured):
    """The configuration is wrong: a line for each problem, with key, expectation and value."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(["The work queue's settings are wrong:", *self.problems]))

    def __reduce__(self) -> tuple[type[SettingsError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class QueueMismatch(WorkQueueError):
    """The queue exists on the broker with another property than the configuration asks for.

    RabbitMQ answers such a declaration with 406 PRECONDITION_FAILED. Nothing was changed.
    """

    def __init__(self, queue: str, argument: str, wanted: str, found: str) -> None:
        self.queue = queue
        self.argument = argument
        self.wanted = wanted
        self.found = found
        super().__init__(
            f"The queue {queue!r} exists with {argument} = {found}, "
            f"but this configuration asks for {wanted}. Nothing was changed. "
            f"Either fit the configuration to the queue (work_queue_ownership, work_queue_type; "
            f'"policy" takes a queue that a plain client declared), '
            f"or, once the queue is empty, delete it on the broker "
            f"(rabbitmqctl delete_queue {queue}) and start again."
        )

    def __reduce__(self) -> tuple[type[QueueMismatch], tuple[str, str, str, str]]:
        return type(self), (self.queue, self.argument, self.wanted, self.found)


class BrokerUnavailable(WorkQueueError, OperationalError):
    """The broker cannot be reached."""

    def __init__(self, broker: str, reason: str) -> None:
        self.broker = broker
        self.reason = reason
        super().__init__(
            f"Cannot reach the broker {broker}: {reason}. "
            f"Start it, or name another one in CELERY_BROKER_URL."
        )

    def __reduce__(self) -> tuple[type[BrokerUnavailable], tuple[str, str]]:
        return type(self), (self.broker, self.reason)

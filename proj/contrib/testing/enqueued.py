"""A task that waits in a queue, read from its message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kombu.serialization import dumps, loads, prepare_accept_content, registry

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["Enqueued", "enqueued_in"]


@dataclass(frozen=True)
class Enqueued:
    """What a worker would be given: lists where the caller's tuples became lists on the way."""

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str
    countdown: float | None
    """The delay that it was published with, in seconds; None for none."""
    serializer: str

    def fits(self, given: Mapping[str, Any]) -> bool:
        """Say whether the fields have the ``given`` values, as these would arrive."""
        return all(self._has(name, value) for name, value in given.items())

    def _has(self, name: str, value: Any) -> bool:
        if name == "countdown":
            # It is counted from the publish, which comes a moment after the call.
            return bool(abs(value - (self.countdown or 0.0)) <= 1.0)
        content_type, encoding, body = dumps(value, self.serializer)
        arrived = loads(body, content_type, encoding, accept={content_type})
        return bool(arrived == getattr(self, name))


def enqueued_in(channel: Any, queue: str, app: Celery, *, delayed: bool) -> Iterator[Enqueued]:
    """Yield the tasks that wait in ``queue`` of the embedded broker, in order."""
    for message in channel.browse(queue, delayed=delayed):
        if "task" not in message.headers:
            continue
        message.accept = prepare_accept_content(app.conf.accept_content)
        args, kwargs, _ = message.payload
        # Negative once it lies in a queue, as RabbitMQ's plug-in for delayed messages has it.
        delay_ms = message.headers.get("x-delay")
        yield Enqueued(
            task=message.headers["task"],
            args=list(args),
            kwargs=kwargs,
            queue=queue,
            countdown=None if delay_ms is None else abs(delay_ms) / 1000,
            serializer=registry.type_to_name[message.content_type],
        )

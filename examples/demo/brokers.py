"""The private brokers that the demo can run on, by name; the first is the default."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.support.rabbitmq_node import RabbitMQNode

__all__ = ["BROKERS", "start_broker"]


def start_broker(name: str, folder: Path, started: ExitStack) -> str:
    """Start the broker ``name``, to be ended by ``started``; return its URL."""
    return BROKERS[name](folder, started)


def _embedded(folder: Path, _: ExitStack) -> str:
    return f"sqlite:///{folder / 'task_queue.db'}"


def _rabbitmq(_: Path, started: ExitStack) -> str:
    return started.enter_context(RabbitMQNode()).url()


BROKERS: dict[str, Callable[[Path, ExitStack], str]] = {
    "embedded": _embedded,
    "rabbitmq": _rabbitmq,
}

"""Faults of a private broker, each proven while it lasts, and repaired."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.rabbitmq_node import RabbitMQNode
from tests.support.waiting import wait_until

__all__ = ["resource_alarm", "stopped"]


@contextmanager
def resource_alarm(node: RabbitMQNode, resource: str) -> Iterator[None]:
    """Let the broker be low on ``memory`` or ``disk``, and see that it says so itself."""
    command, little, enough = {
        "memory": ("set_vm_memory_high_watermark", "0", "0.9"),
        "disk": ("set_disk_free_limit", "900000GB", "1MB"),
    }[resource]
    node.control(command, little)
    try:
        wait_until(lambda: resource in alarms(node), what=f"the broker is low on {resource}")
        yield
        assert resource in alarms(node), "the alarm had ended before the publish"
    finally:
        node.control(command, enough)
        wait_until(lambda: resource not in alarms(node), what="the alarm has ended")


def alarms(node: RabbitMQNode) -> str:
    """Return the broker's alarms, as it tells them."""
    return node.control("eval", "rabbit_alarm:get_alarms().")


@contextmanager
def stopped(node: RabbitMQNode) -> Iterator[None]:
    """Let the processes of the broker stand still, and see that the kernel says so."""
    node.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: state(node) == "T", what="the broker is stopped")
        yield
        assert state(node) == "T", "the broker ran before the publish had ended"
    finally:
        node.signal(signal.SIGCONT)


def state(node: RabbitMQNode) -> str:
    """Return the state of the broker's process, as the kernel has it (``T`` is stopped)."""
    assert node._server is not None  # noqa: SLF001 - the child process that is the broker
    status = Path(f"/proc/{node._server.pid}/stat")  # noqa: SLF001 - as above
    return status.read_text().rpartition(")")[2].split()[0]

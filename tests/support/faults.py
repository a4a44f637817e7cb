"""Faults of a private broker, each proven while it lasts, and repaired."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

__all__ = ["resource_alarm", "stopped"]


@contextmanager
def resource_alarm(node: RabbitMQ, resource: str) -> Iterator[None]:
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


def alarms(node: RabbitMQ) -> str:
    """Return the broker's alarms, as it tells them."""
    return node.control("eval", "rabbit_alarm:get_alarms().")


@contextmanager
def stopped(node: RabbitMQ) -> Iterator[None]:
    """Let the processes of the broker stand still, and see that they answer nothing."""
    node.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: not answers(node), what="the broker is stopped")
        yield
        assert not answers(node), "the broker ran before the publish had ended"
    finally:
        node.signal(signal.SIGCONT)


def answers(node: RabbitMQ) -> bool:
    """Return whether the broker greets a client; the kernel takes the connection in any case."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=0.3) as client:
        client.sendall(b"AMQP\x00\x00\x09\x01")
        try:
            return bool(client.recv(1))
        except TimeoutError:
            return False

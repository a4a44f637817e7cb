"""One virtual host of a RabbitMQ: its URL, and what the broker itself says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pika

from tests.support.rabbitmq_management import Management
from tests.support.waiting import wait_until

__all__ = ["Broker"]


@dataclass(frozen=True)
class Broker:
    """A virtual host that belongs to the test."""

    url: str
    virtual_host: str
    management: Management

    def queue(self, name: str = "task_queue") -> dict[str, Any]:
        """Return the broker's description of queue ``name``; {} if there is none."""
        return self.management.queue(self.virtual_host, name)

    def most_unacknowledged(self) -> int:
        """Return the largest number of unacknowledged deliveries on one channel, now."""
        return max(self.management.unacknowledged_by_channel(self.virtual_host), default=0)

    def unacknowledged(self, name: str = "task_queue") -> int:
        """Return the number of messages that were delivered and are not acknowledged."""
        return int(self.queue(name).get("messages_unacknowledged", 0))

    def prefetch_counts(self) -> list[int]:
        """Return the prefetch count of each consumer of the work queue."""
        found = self.management.call("GET", f"/consumers/{self.virtual_host}")
        return [each["prefetch_count"] for each in found if each["queue"]["name"] == "task_queue"]

    def publish(self, body: bytes, **properties: Any) -> None:
        """Publish ``body`` to ``task_queue`` as a plain client does, with AMQP properties."""
        with self.connect() as connection:
            connection.channel().basic_publish(
                "", "task_queue", body, pika.BasicProperties(**properties)
            )

    def connect(self) -> pika.BlockingConnection:
        """Return a connection of a plain AMQP client, which knows nothing of Celery."""
        return pika.BlockingConnection(pika.URLParameters(self.url))

    def waiting(self, name: str = "task_queue") -> int:
        """Return the number of ready messages, by a passive declaration; 0 if there is no queue."""
        with self.connect() as connection:
            try:
                return int(
                    connection.channel().queue_declare(name, passive=True).method.message_count
                )
            except pika.exceptions.ChannelClosedByBroker:
                return 0

    def peek(self, name: str = "task_queue") -> tuple[pika.BasicProperties, bytes]:
        """Return properties and body of the first waiting message, and put it back."""
        with self.connect() as connection:
            channel = connection.channel()
            method, properties, body = channel.basic_get(name)
            assert method, f"no message waits in {name}"
            channel.basic_nack(method.delivery_tag, requeue=True)
            return properties, body

    def wait_empty(self, name: str = "task_queue", timeout_seconds: float = 30.0) -> None:
        """Return once no message is ready or unacknowledged in queue ``name``."""
        wait_until(
            lambda: self.queue(name),
            lambda queue: queue.get("messages") == 0,
            what=f"{name} is empty",
            timeout_seconds=timeout_seconds,
        )

"""The AMQP transport: py-amqp as Kombu drives it, over our connection, prefetch per consumer."""

from __future__ import annotations

from typing import Any

from amqp.exceptions import RecoverableConnectionError
from kombu.transport import pyamqp

from proj.broker.amqp_connection import AMQPConnection

__all__ = ["SSLTransport", "Transport"]


class Transport(pyamqp.Transport):
    """``amqp://``."""

    Connection = AMQPConnection
    client: Any

    def establish_connection(self) -> Any:
        """Connect; the host keeps the name by which TLS checks it, also in a copy of the client.

        Kombu puts an address in the place of ``localhost``.
        """
        try:
            return super().establish_connection()
        finally:
            self.client.hostname = self.client.host_name

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let ``loop`` dispatch what comes over ``connection``, and what has come before.

        The answer to ``basic.consume`` and the first deliveries may be one TLS record: whoever
        awaits the answer reads no further, and no socket tells of the rest.
        """
        super().register_with_event_loop(connection, loop)

        def read_the_rest() -> None:
            if not connection.connected:
                loop.on_tick.discard(read_the_rest)
            elif connection.transport.has_unread:
                self.on_readable(connection, loop)

        loop.on_tick.add(read_the_rest)

    def on_readable(self, connection: Any, loop: Any) -> None:  # noqa: ARG002 - Kombu's signature
        """Dispatch what has come over ``connection``: the event loop found its socket readable.

        Kombu reads message by message, until asking for one more fails.
        """
        if not connection.connected:
            raise RecoverableConnectionError("the connection is closed")
        connection.dispatch_received()

    def qos_semantics_matches_spec(self, connection: Any) -> bool:  # noqa: ARG002 - Kombu's signature
        """Return True: ask for prefetch per consumer (``basic.qos`` with ``global=false``), always.

        A quorum queue refuses global prefetch, and RabbitMQ 4 ignores it. What Celery asks of the
        server's version tells neither for a queue whose type the broker's default decides.
        https://www.rabbitmq.com/docs/consumer-prefetch
        """
        return True


class SSLTransport(Transport, pyamqp.SSLTransport):
    """``amqps://``."""

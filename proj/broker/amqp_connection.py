"""An AMQP connection that knows why it is blocked, and that no close can hold up."""

from __future__ import annotations

import os
from typing import Any

from amqp import spec
from kombu.transport import pyamqp

from proj.broker.channel import Channel
from proj.broker.sockets import TCPTransport, TLSTransport
from proj.broker.tls import verifying

__all__ = ["AMQPConnection"]


class AMQPConnection(pyamqp.Connection):
    """Kombu's AMQP connection over our sockets and with our channels."""

    Channel = Channel

    # py-amqp leaves the reason unread: https://www.rabbitmq.com/docs/connection-blocked
    _METHODS = {  # noqa: RUF012 - py-amqp's own attribute, read only
        **pyamqp.Connection._METHODS,  # noqa: SLF001 - as above
        spec.Connection.Blocked: spec.method(spec.Connection.Blocked, "s"),
    }

    client: Any
    """Kombu's connection, which knows the host by the name that the user wrote."""

    blocked_because: str | None = None
    """The broker's reason for taking no messages (``low on memory``), None while it takes them."""

    def Transport(  # noqa: N802 - py-amqp's name
        self,
        host: str,
        connect_timeout: float | None,
        ssl: Any = False,  # noqa: FBT002 - py-amqp's signature
        *timeouts: float | None,
        **options: Any,
    ) -> Any:
        """Return the wrapper of a socket to ``host``, not yet connected."""
        options.update(zip(("read_timeout", "write_timeout"), timeouts, strict=True))
        if ssl:
            ssl = verifying(ssl, self.client.host_name)
        wrapper = TLSTransport if ssl else TCPTransport
        return wrapper(host, connect_timeout=connect_timeout, ssl=ssl, **options)

    @property
    def connected(self) -> bool:
        """Whether the connection is open, and was opened by this process."""
        transport = self._transport
        return bool(transport and transport.connected and transport.process_id == os.getpid())

    def connect(self, callback: Any = None) -> Any:
        """Connect; a handshake that fails leaves no open socket behind."""
        try:
            return super().connect(callback)
        except BaseException:
            self.collect()
            raise

    def dispatch_received(self) -> None:
        """Read what the broker has sent, without waiting, and dispatch all of it."""
        transport = self.transport
        transport.receive()
        while (frame := transport.next_frame()) is not None:
            self.on_inbound_frame(frame)

    def _on_blocked(self, reason: str) -> None:
        self.blocked_because = reason
        if self.on_blocked:
            self.on_blocked(reason)

    def _on_unblocked(self) -> None:
        self.blocked_because = None
        super()._on_unblocked()

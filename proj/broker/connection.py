"""Kombu's connection and pool, made to use our AMQP transport for ``amqp://`` and ``amqps://``.

Only the connections of an app with the plug-in are of this class: Kombu's own stay as they are.
"""

from __future__ import annotations

from typing import Any

import kombu.connection

__all__ = ["Connection"]

TRANSPORTS = {
    "amqp": "proj.broker.transport:Transport",
    "pyamqp": "proj.broker.transport:Transport",
    "amqps": "proj.broker.transport:SSLTransport",
}


class OwnTransport(kombu.connection.Connection):
    """Takes our transport wherever a URL, or a switch to another URL, names AMQP."""

    # as_uri() and info() show the scheme that the user wrote, not our class.
    resolve_aliases = {  # noqa: RUF012 - Kombu's own attribute, read only
        **kombu.connection.resolve_aliases,
        "proj.broker.transport:Transport": "amqp",
        "proj.broker.transport:SSLTransport": "amqps",
    }

    transport_cls: Any

    def _init_params(self, **parameters: Any) -> None:
        super()._init_params(**parameters)
        self.transport_cls = TRANSPORTS.get(self.transport_cls, self.transport_cls)


class PooledConnection(OwnTransport, kombu.connection.PooledConnection):
    """A connection of :class:`ConnectionPool`."""


class ConnectionPool(kombu.connection.ConnectionPool):
    """Kombu's pool, of our connections."""

    def new(self) -> PooledConnection:
        """Return a connection like the one that the pool was made for, not yet connected."""
        return PooledConnection(self, **dict(self.connection._info(resolve=False)))  # noqa: SLF001 - as Kombu's own pool


class Connection(OwnTransport):
    """The connection class of an app with the plug-in (``app.amqp.Connection``)."""

    def Pool(self, limit: int | None = None, **options: Any) -> ConnectionPool:  # noqa: N802 - Kombu's name
        """Return a pool of at most ``limit`` connections like this one."""
        return ConnectionPool(self, limit, **options)

"""Kombu's connection and pool, made to use our AMQP transport for ``amqp://`` and ``amqps://``.

Only the connections of an app with the plug-in are of this class: Kombu's own stay as they are.
"""

from __future__ import annotations

import time
from contextlib import suppress
from ssl import SSLError
from typing import Any

import kombu.connection
from amqp.exceptions import InternalError, RecoverableConnectionError
from kombu.utils.collections import HashedSeq

from proj.broker import deadline
from proj.broker.tls import is_refusal
from proj.broker.transport import Transport
from proj.errors import BrokerUntrusted, SettingsError

__all__ = ["Connection", "unusable"]

TRANSPORTS = {
    "amqp": "proj.broker.transport:Transport",
    "pyamqp": "proj.broker.transport:Transport",
    "librabbitmq": "proj.broker.transport:Transport",  # what Kombu makes of amqp:// where it has it
    "amqps": "proj.broker.transport:SSLTransport",
}

URL = (
    "amqp://user:password@host:port/virtual_host or sqlite:///file.db, "
    "with / @ : and % in a name or password percent-encoded"
)

CLOSING_SECONDS = 1.0
"""How long the farewell to a broker may take; a blocked broker does not read it at all."""

RECONNECT_PAUSE_SECONDS = 0.2
"""Between two attempts to connect: a broker that restarts is back after seconds."""


class OwnTransport(kombu.connection.Connection):
    """Takes our transport wherever a URL, or a switch to another URL, names AMQP."""

    # as_uri() and info() show the scheme that the user wrote, not our class.
    resolve_aliases = {  # noqa: RUF012 - Kombu's own attribute, read only
        **kombu.connection.resolve_aliases,
        "proj.broker.transport:Transport": "amqp",
        "proj.broker.transport:SSLTransport": "amqps",
    }

    may_reconnect = True
    """Whether a connection that is lost may be replaced by whoever uses it next."""

    ssl: Any
    alt: Any
    transport_cls: Any
    connected: Any
    _connection: Any
    _default_channel: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        try:
            super().__init__(*arguments, **options)
            _raise_for_account_in_host(self)
            for url in self.alt or ():
                _raise_for_account_in_host(kombu.connection.Connection(url))
        except (KeyError, ValueError) as error:
            raise unusable(error) from None

    def __eqhash__(self) -> Any:
        """Tell connections apart that may not share a pool: Kombu looks at the first URL only."""
        others = (self.alt, self.failover_strategy, self.ssl, self.login_method)
        more = (self.connect_timeout, self.heartbeat, *map(repr, others))
        return HashedSeq(*super().__eqhash__(), *more)

    @property
    def is_amqp(self) -> bool:
        """Whether the transport is ours, not another of Kombu's."""
        return isinstance(self.transport, Transport)

    @property
    def recoverable_connection_errors(self) -> Any:
        """After what to connect again; a broker file that is refused stays so."""
        otherwise = super().recoverable_connection_errors
        return getattr(self.get_transport_cls(), "passing_connection_errors", otherwise)

    @property
    def default_channel(self) -> Any:
        """The channel of whoever needs one only; connects if need be."""
        return self._default_channel if self.has_default_channel else super().default_channel

    @property
    def has_default_channel(self) -> bool:
        """Whether the default channel is there and its connection stands."""
        return self._default_channel is not None and self.connected

    @property
    def blocked_because(self) -> str | None:
        """The broker's reason for taking no messages now, as far as it has told."""
        return self._connection.blocked_because if self.is_amqp and self.connected else None

    def _init_params(self, **parameters: Any) -> None:
        super()._init_params(**parameters)
        self.host_name = self.hostname or "localhost"
        # For server_hostname = None, Kombu would keep the first host's name for them all.
        if isinstance(self.ssl, dict):
            self.ssl = {name: told for name, told in self.ssl.items() if told is not None}
        self.transport_cls = TRANSPORTS.get(self.transport_cls, self.transport_cls)

    def _ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Connect if need be: as Kombu does, but under a deadline until that has passed."""
        if not self.may_reconnect and not self.connected:
            raise RecoverableConnectionError("the connection is lost")
        if not self.is_amqp or deadline.remaining() is None:
            for _ in self.alt[1:]:
                with suppress(BrokerUntrusted):
                    return super()._ensure_connection(*arguments, **options)
                self.maybe_switch_next()
            return super()._ensure_connection(*arguments, **options)
        while not self.connected:
            failure = self._try_to_connect()
            if failure is not None:
                final = isinstance(failure, BrokerUntrusted) and not self.alt
                if final or (deadline.remaining() or 0.0) <= RECONNECT_PAUSE_SECONDS:
                    raise failure
                self.maybe_switch_next()
                time.sleep(RECONNECT_PAUSE_SECONDS)
        return self._connection

    def _try_to_connect(self) -> Exception | None:
        # Where there are several hosts, one that does not answer leaves time to ask the next one.
        left = deadline.remaining() or 0.0
        try:
            with deadline.within(left / 2 if self.alt else left):
                self._connection_factory()
        except (
            *self.recoverable_connection_errors,
            BrokerUntrusted,
            InternalError,
        ) as error:
            # InternalError: the broker has started, its virtual host not yet.
            failure: Exception = error
            return failure
        return None

    def _connection_factory(self) -> Any:
        # What a forked process has from its parent is left to the parent.
        if self._connection is not None and self.is_amqp:
            self._connection.collect()
        try:
            return super()._connection_factory()
        except SSLError as error:
            if is_refusal(error):
                raise BrokerUntrusted(self.as_uri(), str(error)) from error
            raise

    def _do_close_self(self) -> None:
        """Close; without a farewell where it would cost a caller's deadline, or nobody listens."""
        if self._connection is None or not self.is_amqp:
            super()._do_close_self()
        elif deadline.remaining() is not None or not self._connection.connected:
            self.declared_entities.clear()
            self._connection.collect()
            self._connection = None
        else:
            with deadline.within(CLOSING_SECONDS):
                super()._do_close_self()


def _raise_for_account_in_host(connection: kombu.connection.Connection) -> None:
    # Kombu takes a URL without a scheme for a host, which is shown, password and all.
    host = connection.hostname or ""
    if "@" in host and "://" not in host:
        raise ValueError


def unusable(error: KeyError | ValueError) -> SettingsError:
    """Return what to raise in the place of Kombu's ``error`` about a broker's URL."""
    # What is wrong with a port may be a part of a password that was not encoded.
    told = error.args[0] if isinstance(error, KeyError) else "it is no URL"
    return SettingsError([f"  broker_url: {str(told).rstrip('.')}; expected {URL}"])


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

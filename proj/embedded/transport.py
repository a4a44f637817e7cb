"""The transport behind ``sqlite:///task_queue.db``: what Kombu and Celery talk to."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amqp.exceptions import (
    ChannelError,
    RecoverableChannelError,
    RecoverableConnectionError,
)
from kombu.transport import base

from proj.embedded.errors import EmbeddedBrokerError, FileUnavailable
from proj.embedded.location import path_of_url

if TYPE_CHECKING:
    from proj.embedded.channel import Channel
    from proj.embedded.session import Session


class Transport(base.Transport):
    """Connects to a broker file.

    Transport options: ``write_timeout_seconds`` (30) bounds the wait for another process that
    writes; ``max_page_count`` bounds the file, in pages of 4 KiB (no bound).
    """

    #: Kombu hands over the URL as it is: a path is not a virtual host.
    can_parse_url = True
    client: Any
    driver_type = "sqlite"
    driver_name = "sqlite3"
    connection_errors: Any = (
        EmbeddedBrokerError,
        RecoverableConnectionError,
        OSError,
    )
    recoverable_connection_errors = connection_errors
    #: Without FileRefused: what connecting again may mend. Kombu itself has one tuple for both.
    passing_connection_errors = (FileUnavailable, RecoverableConnectionError, OSError)
    channel_errors = (ChannelError,)
    recoverable_channel_errors = (RecoverableChannelError,)
    implements = base.Transport.implements.extend(asynchronous=True, batch_publish=True)

    def driver_version(self) -> str:
        """Return the version of the SQLite library."""
        return sqlite3.sqlite_version

    def establish_connection(self) -> Session:
        """Open the broker file. Raises an EmbeddedBrokerError that names it and the remedy."""
        # Not at the top: Celery asks every command's transport for its name, and few connect.
        from proj.embedded.registry import open_database  # noqa: PLC0415
        from proj.embedded.session import Session  # noqa: PLC0415

        options = self.client.transport_options
        database = open_database(
            self._path(),
            write_timeout_seconds=float(options.get("write_timeout_seconds", 30)),
            max_page_count=options.get("max_page_count"),
        )
        return Session(database, self.client)

    def close_connection(self, connection: Session) -> None:
        """Give everything back and end the session."""
        connection.close()

    def create_channel(self, connection: Session) -> Channel:
        """Open a channel."""
        return connection.channel()

    def close_channel(self, channel: Channel) -> None:
        """Close a channel."""
        channel.close()

    def drain_events(self, connection: Session, timeout: float | None = None, **_: Any) -> None:
        """Hand out one message, or raise TimeoutError after ``timeout`` seconds."""
        connection.drain_events(timeout)

    def verify_connection(self, connection: Session) -> bool:
        """Say whether the connection can be used."""
        return not connection.closed

    def register_with_event_loop(self, connection: Session, loop: Any) -> None:
        """Serve the connection from Kombu's event loop."""
        connection.register_with_event_loop(loop)

    def unregister_from_event_loop(self, connection: Session, loop: Any) -> None:  # noqa: ARG002
        """Serve it from the event loop no more."""
        connection.unregister_from_event_loop()

    def as_uri(self, uri: str | None, include_password: bool = False, mask: str = "**") -> str:  # noqa: ARG002, FBT001, FBT002
        """Return the URL, which holds no secret."""
        return uri or f"sqlite:///{self.client.virtual_host}"

    def _collect(self, connection: Session | None) -> None:
        # Kombu's word for "drop it, the line is dead": here closing costs no round trip.
        if connection is not None:
            with contextlib.suppress(*self.connection_errors):
                connection.close()

    def _path(self) -> Path:
        # A failover leaves Kombu with the parsed parts of the next URL: its path as virtual host.
        return path_of_url(self.client.hostname or f"sqlite:///{self.client.virtual_host}")

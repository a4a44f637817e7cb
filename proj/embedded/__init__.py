"""The work queue's broker on one SQLite file: a Kombu transport for one machine, with no server."""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES

__all__ = ["register"]


def register() -> None:
    """Make Kombu understand broker URLs that begin with ``sqlite://``.

    Opens nothing and imports nothing of the transport: Kombu does so when a connection is made.
    Calling it again changes nothing.
    """
    TRANSPORT_ALIASES["sqlite"] = "proj.embedded.transport:Transport"

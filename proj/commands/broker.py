"""A channel to the app's broker for a command that asks it something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from proj.broker import deadline
from proj.errors import BrokerSilent

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["asked"]

CONNECT_SECONDS = 3.0
ASK_SECONDS = 10.0


@contextmanager
def asked(app: Celery) -> Iterator[Any]:
    """Give a channel; all of the block ends within its deadline.

    Raises :class:`proj.errors.BrokerSilent` where the broker refuses, or is not reached.
    """
    connection = app.connection_for_read()
    try:
        with connection:
            with deadline.within(CONNECT_SECONDS):
                channel = connection.channel()
            with deadline.within(ASK_SECONDS):
                yield channel
    except (*connection.connection_errors, *connection.channel_errors, TimeoutError) as error:
        raise BrokerSilent(connection.as_uri(), str(error)) from error

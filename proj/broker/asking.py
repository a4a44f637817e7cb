"""A channel for whoever asks a broker something: in time, and every failure as one error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from amqp.exceptions import NotFound

from proj.broker import deadline
from proj.errors import BrokerSilent

__all__ = ["asked", "channel_of"]

CONNECT_SECONDS = 5.0

ASK_SECONDS = 10.0


@contextmanager
def asked(connection: Any) -> Iterator[Any]:
    """Give a channel of ``connection`` (Kombu's); all of the block ends within its deadline.

    Raises :class:`proj.errors.BrokerSilent`, as :func:`channel_of`.
    """
    with channel_of(connection, BrokerSilent) as channel, deadline.within(ASK_SECONDS):
        yield channel


@contextmanager
def channel_of(connection: Any, failure: Callable[[str, str], Exception]) -> Iterator[Any]:
    """Open ``connection`` (Kombu's), give a channel of it, and close both.

    Raises the ``failure`` of the broker's URL, its password masked, and of the reason: where the
    broker is not reached, is lost meanwhile, or refuses what is asked.
    """
    try:
        with connection:
            with deadline.within(CONNECT_SECONDS):
                channel = connection.channel()
            yield channel
    except NotFound as error:
        raise failure(connection.as_uri(), "there is no such queue") from error
    except (*connection.connection_errors, *connection.channel_errors, TimeoutError) as error:
        raise failure(connection.as_uri(), str(error)) from error

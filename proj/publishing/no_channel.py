"""A channel that reaches no broker, for what is composed or kept and published later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["NoChannel"]


class NoChannel:
    """What the result backend ``rpc://`` meets: it declares its queue at the publish itself."""

    @property
    def connection(self) -> NoChannel:
        """Kombu reaches ``ensure`` by ``channel.connection.client``."""
        return self

    client = connection

    def ensure(self, *_: Any, **__: Any) -> Callable[..., None]:
        """Return a call that does nothing."""
        return lambda *_, **__: None

"""The producers and connections that an app shares between its threads, waited for in bounds."""

from __future__ import annotations

import os
from typing import Any

from kombu import pools
from kombu.exceptions import LimitExceeded

from proj.broker import deadline
from proj.errors import BrokerUnavailable
from proj.publishing.producer import Producer

__all__ = ["producers"]


class ProducerPool(pools.ProducerPool):
    """Kombu's pool, of our producers."""

    Producer = Producer

    def acquire(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - Kombu's signature
        """Return a producer; with ``block``, wait for one until the deadline at the latest.

        Raises :class:`proj.errors.BrokerUnavailable` where all stay in use.
        """
        try:
            with deadline.within_fallback():
                return super().acquire(block=block, timeout=deadline.bounded(timeout))
        except LimitExceeded as error:
            raise BrokerUnavailable(
                self.connections.connection.as_uri(),
                f"all {self.limit} connections of the pool are in use (broker_pool_limit)",
            ) from error

    def _acquire_connection(self) -> Any:
        return self.connections.acquire(block=True, timeout=deadline.bounded(None))


class Producers(pools.PoolGroup):
    """The producer pools of a process, one for each broker."""

    def create(self, resource: Any, limit: int | None) -> ProducerPool:
        """Return a pool of producers on the broker of ``resource``, a connection."""
        return ProducerPool(pools.connections[resource], limit=limit)


producers = pools.register_group(Producers(limit=pools.use_global_limit))
"""Kombu's ``pools.producers``, of our pools; Kombu resizes and resets it together with its own."""

# What a forked process has from its parent is the parent's: see proj.publishing.forking.
os.register_at_fork(after_in_child=producers.clear)

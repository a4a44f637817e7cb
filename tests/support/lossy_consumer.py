"""A consumer whose first connection is lost after it was made, before anything is consumed."""

from __future__ import annotations

from celery.utils.log import get_logger

from proj.worker.consumer import Consumer

__all__ = ["LossyConsumer"]

logger = get_logger(__name__)


class LossyConsumer(Consumer):
    """Ours, with the fault."""

    def update_strategies(self) -> None:
        """Do what the next step of the start does first, and lose the connection once."""
        super().update_strategies()
        if self.restart_count == 0:
            logger.warning("a test has dropped the connection")
            self.connection._connection.collect()  # noqa: SLF001 - this is the fault

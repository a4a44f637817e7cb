"""Celery's consumer, with plain messages taken in and a wrong configuration told in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer

from proj.configuration import work_queue_settings
from proj.errors import WorkQueueError
from proj.worker.plain import as_task_message, is_plain

__all__ = ["Consumer"]

logger = get_logger(__name__)


class Consumer(CeleryConsumer):
    """The class that ``worker_consumer`` names."""

    def start(self) -> None:
        """Consume until told to stop; where the queue cannot be used, end with one line."""
        try:
            super().start()
        except WorkQueueError as error:
            logger.critical("%s", error)
            raise WorkerShutdown(EX_FAILURE) from error

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """Return Celery's handler of a delivered message, preceded by ours for plain messages."""
        handle = super().create_task_handler(*arguments, **options)
        plain_message_task = work_queue_settings(self.app).plain_message_task

        def on_message(message: Any) -> None:
            if plain_message_task and is_plain(message):
                try:
                    as_task_message(message, plain_message_task)
                except (UnicodeDecodeError, LookupError) as error:
                    self.on_decode_error(message, error)
                    return
            handle(message)

        return on_message

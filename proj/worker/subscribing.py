"""The worker's consumers on the broker: begun again when cancelled or when a slot is held."""

from __future__ import annotations

import time
from typing import Any

from celery.utils.log import get_logger
from kombu.common import ignore_errors

from proj.topology.declaring import declare_dead_letters
from proj.topology.queue import WorkQueue
from proj.worker.consumer_timeout import CONSUMER_TIMEOUT, apply_consumer_timeout

__all__ = ["Subscription"]

logger = get_logger(__name__)


class Subscription:
    """What ``consumer`` (ours) consumes from, and when something last came."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.last_delivery = time.monotonic()
        settings = consumer.work_queue_settings
        self._asks_for_timeout = (settings.ownership, settings.type) != ("arguments", "classic")
        self._ended: dict[str, str] = {}
        self._held: Any = None

    def declare(self) -> None:
        """Declare the work queue and its dead-letter queue where only other queues are consumed.

        Those (``-Q``, or ``task_queues`` of the app's own) need both, for dead letters and delays.
        """
        if any(isinstance(queue, WorkQueue) for queue in self.consumer.task_consumer.queues):
            return
        connection = self.consumer.connection
        self.consumer.app.amqp.default_queue(connection.default_channel).declare()
        declare_dead_letters(connection, self.consumer.work_queue_settings)

    def begin(self) -> None:
        """Watch the consumers of a new connection."""
        self._ended.clear()
        self.note_delivery()
        tasks = self.consumer.task_consumer
        # A pause that was told while the worker connected: it is looked at again after this.
        held, self._held = self._held, None
        if held is not None and held.name not in {queue.name for queue in tasks.queues}:
            tasks.add_queue(held)
        tasks.channel.on_cancelled = self._on_cancelled
        if self._asks_for_timeout:
            apply_consumer_timeout(tasks.queues, self.consumer.app)

    def on_connection_error(self, error: Exception) -> None:
        """Ask for less next time, where the broker refused a consumer for what it asked.

        Classic queues of RabbitMQ 4.3 refuse a consumer timeout, quorum queues have one, and the
        type of a queue that a policy owns is the broker's secret.
        """
        if CONSUMER_TIMEOUT in str(error):
            self._asks_for_timeout = False

    def note_delivery(self) -> None:
        """Remember that the broker has delivered something now."""
        self.last_delivery = time.monotonic()

    def queue_of(self, message: Any) -> str:
        """Return the name of the queue from which ``message`` was delivered."""
        tag = message.delivery_info.get("consumer_tag")
        for queue, active in self._active().items():
            if active == tag:
                return queue
        return self._ended.get(tag, str(self.consumer.work_queue_settings.name))

    def make_room(self) -> None:
        """Let the broker deliver one more message although one stays unacknowledged.

        Prefetch counts for each consumer, and what an ended consumer holds counts for none:
        https://www.rabbitmq.com/docs/consumer-prefetch
        """
        tasks = self.consumer.task_consumer
        if tasks is None or not self._active() or self.consumer.stopping.is_stopping:
            return
        self._remember(self._active())
        tasks.cancel()
        tasks.consume()

    def end(self) -> None:
        """Take no more messages, over a connection that may be gone."""
        tasks = self.consumer.task_consumer
        if tasks is not None:
            self._remember(self._active())
            ignore_errors(self.consumer, tasks.cancel)

    def hold(self) -> None:
        """Take no more from the work queue; other queues of the worker go on."""
        tasks, name = self.consumer.task_consumer, self.consumer.work_queue_settings.name
        for queue in tasks.queues if tasks is not None else ():
            if queue.name == name:
                self._held = queue
        self._remember({queue: tag for queue, tag in self._active().items() if queue == name})
        if self._held is not None:
            tasks.cancel_by_queue(name)

    def go_on(self) -> None:
        """Take from the work queue again after :meth:`hold`, unless the connection is a new one."""
        tasks = self.consumer.task_consumer
        if tasks is not None and self._held is not None:
            self.note_delivery()
            tasks.add_queue(self._held)
            self._held = None
            tasks.consume()

    def queues(self) -> list[str]:
        """Return the names of the queues consumed from now."""
        return list(self._active())

    def _on_cancelled(self, tag: str) -> None:
        queues = {queue: active for queue, active in self._active().items() if active == tag}
        self._remember(queues)
        logger.warning(
            "The broker has cancelled the consumer of %s (a task ran longer than its consumer "
            "timeout, or the queue moved or was deleted): consuming again.",
            ", ".join(queues) or tag,
        )
        self.consumer.call_soon(self._consume_again, tag)

    def _consume_again(self, tag: str) -> None:
        tasks = self.consumer.task_consumer
        if tasks is None or self.consumer.stopping.is_stopping:
            return
        # RabbitMQ 4.3 only suspends a consumer that it says to have cancelled: it delivers to the
        # old tag again once the late acknowledgement comes. Cancelled by us too, it is gone.
        tasks.channel.basic_cancel(tag)
        for queue in [queue for queue, active in self._active().items() if active == tag]:
            self._active().pop(queue)
        tasks.consume()

    def _active(self) -> dict[str, str]:
        """Return queue -> tag of what is consumed now; Kombu shows it nowhere else."""
        active: dict[str, str] = getattr(self.consumer.task_consumer, "_active_tags", {})
        return active

    def _remember(self, queues: dict[str, str]) -> None:
        self._ended.update({tag: queue for queue, tag in queues.items()})

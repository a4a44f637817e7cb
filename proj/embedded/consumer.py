"""A consumer of a channel, and how many more messages it may be given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proj.embedded.channel import Channel

#: What one look claims where nothing limits the consumer.
BATCH = 100


@dataclass(eq=False)
class Consumer:
    """Who takes the messages of one queue, on one channel."""

    channel: Channel
    tag: str
    queue_name: str
    queue_id: int
    no_ack: bool
    callback: Callable[[Any], Any]
    on_cancel: Callable[[str], Any] | None = None
    #: Claimed and not yet handed to the callback.
    waiting: int = 0
    #: Handed to the callback and not yet acknowledged.
    unacknowledged: int = 0

    def capacity(self) -> int:
        """Return how many messages to claim for it now."""
        room = BATCH - self.waiting
        if self.no_ack:
            return room
        if self.channel.prefetch_count:
            room = min(room, self.channel.prefetch_count - self.waiting - self.unacknowledged)
        if self.channel.shared_prefetch_count:
            room = min(room, self.channel.shared_prefetch_count - self.channel.held_count())
        return max(room, 0)

"""``celery -A proj workqueue move``: bring waiting messages from one broker to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click
from celery import Celery

from proj.commands.answering import Answer, command, progress
from proj.configuration import work_queue_settings
from proj.dead_letters.copying import Copies, CopyRefused
from proj.dead_letters.decoding import original_of, tolerate
from proj.embedded.location import path_of_url
from proj.errors import WorkQueueError
from proj.topology import declaring
from proj.topology.names import dead_letter_queue_name

__all__ = ["MoveStopped", "move"]

COPY_TIMEOUT_SECONDS = 30.0


class MoveStopped(WorkQueueError):
    """One of the brokers failed; what the target has taken is moved, the rest is where it was."""

    def __init__(self, moved: int, reason: str) -> None:
        super().__init__(
            f"The move stopped after {moved} messages: {reason}. What was not moved is still where "
            f"it was; the same command again goes on from there."
        )


@command("move --from sqlite:///task_queue.db")
@click.option("--from", "source", required=True, metavar="URL", help="The broker to empty.")
@click.option("--dead-letters", is_flag=True, help="Move the dead letters, not the waiting tasks.")
def move(app: Celery, *, source: str, dead_letters: bool) -> Answer:
    """Move waiting messages from the broker at URL to the app's own broker.

    Each is confirmed by the new broker before it is removed from the old one. Interrupted at any
    moment it loses nothing, and the same command again goes on; at most the message that was under
    way is then on both.
    """
    name = work_queue_settings(app).name
    queue = dead_letter_queue_name(name) if dead_letters else name
    new, moved = app.connection_for_write(), 0
    with tolerate(app.connection_for_read(url=source)) as old:
        if _place(old) == _place(new):
            raise click.UsageError(f"{old.as_uri()} is the app's own broker: name another one.")
        try:
            with old.channel() as channel:
                waiting = channel.queue_declare(queue, passive=True).message_count
                delayed = channel.delayed_count(queue) if hasattr(channel, "delayed_count") else 0
                with progress(waiting, f"Moving {queue}") as on_moved:
                    # No more: the app's broker may turn out to be the same under another name.
                    for moved in _moved(app, channel, queue, waiting):  # noqa: B007 - told below
                        on_moved(1)
        except (*old.connection_errors, *old.channel_errors) as error:
            told = f"cannot read {queue!r} on {old.as_uri()}: {error}"
            raise MoveStopped(moved, told) from error
        except KeyboardInterrupt as stop:
            raise MoveStopped(moved, "it was interrupted") from stop
    lines = [f"Moved {moved} messages of {queue!r} from {old.as_uri()} to {new.as_uri()}."]
    if delayed:
        lines.append(
            f"{delayed} delayed messages stay until they are due: "
            f"run a worker there, or this command again, later."
        )
    return Answer({"queue": queue, "moved": moved, "delayed": delayed}, "\n".join(lines))


def _moved(app: Celery, channel: Any, queue: str, most: int) -> Iterator[int]:
    """Move ``most`` messages from ``channel`` to the app's broker; yield how many are moved.

    Raises :class:`MoveStopped` where the app's broker takes no more.
    """
    with app.connection_for_write() as new:
        declaring.declare(new, work_queue_settings(app))
    with closing(Copies(app.connection_for_write, timeout_seconds=COPY_TIMEOUT_SECONDS)) as copies:
        for number in range(most):
            if (raw := channel.basic_get(queue)) is None:
                return
            message = channel.message_to_python(raw)
            original = original_of(message)
            try:
                copies.publish(original, queue, {}, drop_expiration=False, drop_headers=())
            except CopyRefused as refused:
                channel.basic_reject(message.delivery_tag, requeue=True)
                raise MoveStopped(number, str(refused)) from refused
            channel.basic_ack(message.delivery_tag)
            yield number + 1


def _place(connection: Any) -> str:
    """Return the broker's URL, or the path of its file, which has many spellings."""
    url: str = connection.as_uri(include_password=True)
    return str(path_of_url(url)) if url.startswith("sqlite:") else url

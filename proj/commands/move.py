"""``celery -A proj workqueue move``: bring waiting messages from one broker to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from proj.commands.options import json_option, progress, show
from proj.configuration import work_queue_settings
from proj.dead_letters.copying import Copies, CopyRefused
from proj.dead_letters.decoding import original_of, tolerate
from proj.embedded.location import path_of_url
from proj.errors import WorkQueueError
from proj.topology import declaring
from proj.topology.names import dead_letter_queue_name

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["MoveStopped", "move", "move_messages"]

COPY_TIMEOUT_SECONDS = 30.0


class MoveStopped(WorkQueueError):
    """One of the brokers failed; what the target has taken is moved, the rest is where it was."""

    def __init__(self, moved: int, reason: str) -> None:
        super().__init__(
            f"The move stopped after {moved} messages: {reason}. What was not moved is still where "
            f"it was; the same command again goes on from there."
        )


@click.command(
    epilog="Example: CELERY_BROKER_URL=amqp://... celery -A proj workqueue move "
    "--from sqlite:///task_queue.db"
)
@click.option("--from", "source", required=True, metavar="URL", help="The broker to empty.")
@click.option("--dead-letters", is_flag=True, help="Move the dead letters, not the waiting tasks.")
@json_option
@click.pass_context
def move(context: click.Context, source: str, dead_letters: bool, as_json: bool) -> None:  # noqa: FBT001 - click's flags
    """Move waiting messages from the broker at URL to the app's own broker.

    Each is confirmed by the new broker before it is removed from the old one. Interrupted at any
    moment it loses nothing, and the same command again goes on; at most the message that was under
    way is then on both.
    """
    app = context.obj.app
    settings = work_queue_settings(app)
    queue = dead_letter_queue_name(settings.name) if dead_letters else settings.name
    with app.connection_for_read(url=source) as old:
        new = app.connection_for_write()
        if _place(old) == _place(new):
            raise click.UsageError(f"{old.as_uri()} is the app's own broker: name another one.")
        moved = 0
        try:
            waiting, delayed = _count(old, queue)
            with progress(waiting, f"Moving {queue}") as on_moved:
                for _ in move_messages(app, old, queue, waiting):
                    moved += 1
                    on_moved(1)
        except (*old.connection_errors, *old.channel_errors) as error:
            told = f"cannot read {queue!r} on {old.as_uri()}: {error}"
            raise MoveStopped(moved, told) from error
    if as_json:
        show({"queue": queue, "moved": moved, "delayed": delayed})
        return
    click.echo(f"Moved {moved} messages of {queue!r} from {old.as_uri()} to {new.as_uri()}.")
    if delayed:
        click.echo(
            f"{delayed} delayed messages stay until they are due: "
            f"run a worker there, or this command again, later."
        )


def move_messages(app: Celery, old: Any, queue: str, most: int) -> Iterator[None]:
    """Move ``most`` messages of ``queue`` from ``old`` (a Kombu connection); yield after each.

    It ends where the app's broker turns out to be the same one under another name, too.
    Raises :class:`MoveStopped` where the app's broker takes no more.
    """
    with app.connection_for_write() as new:
        declaring.declare(new, work_queue_settings(app))
    copies = Copies(app.connection_for_write, timeout_seconds=COPY_TIMEOUT_SECONDS)
    moved = 0
    with closing(copies), tolerate(old).channel() as channel:
        while moved < most and (message := channel.basic_get(queue)) is not None:
            kept = channel.message_to_python(message)
            try:
                copies.publish(original_of(kept), queue, {}, drop_expiration=False, drop_headers=())
            except CopyRefused as refused:
                channel.basic_reject(kept.delivery_tag, requeue=True)
                raise MoveStopped(moved, str(refused)) from refused
            channel.basic_ack(kept.delivery_tag)
            moved += 1
            yield


def _place(connection: Any) -> str:
    """Return the broker's URL, or the path of its file, which has many spellings."""
    url: str = connection.as_uri(include_password=True)
    return str(path_of_url(url)) if url.startswith("sqlite:") else url


def _count(old: Any, queue: str) -> tuple[int, int]:
    """Return how many messages of ``queue`` are ready, and how many are delayed where that is told.

    Raises the transport's error where there is no such queue.
    """
    with old.channel() as channel:
        ready = channel.queue_declare(queue, passive=True).message_count
        delayed_count = getattr(channel, "delayed_count", None)
        return ready, delayed_count(queue) if delayed_count else 0

"""An app with the plug-in, and the tasks that the tests of publishing send."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

import pika
from celery import Celery
from kombu import Connection
from pika.exceptions import ChannelClosedByBroker

from proj import plugin

__all__ = ["MODULE", "make_app", "masked", "waiting"]

MODULE = __name__
"""The app's name for ``celery -A``."""


def make_app(url: str, **configuration: Any) -> Celery:
    """Return an app on the broker of ``url``, on a work queue of its own unless one is named."""
    made = Celery("publishing", broker=url, set_as_current=False)
    made.conf.update(
        {"work_queue_name": f"test-{secrets.token_hex(4)}", "broker_url": url, **configuration}
    )
    plugin.install(made)

    @made.task(shared=False, name="echo")
    def echo(value: Any = None) -> Any:
        return value

    @made.task(shared=False, name="total")
    def total(values: list[int]) -> int:
        return sum(values)

    @made.task(shared=False, name="publish", bind=True)
    def publish(self: Any, value: Any) -> str:
        return str(self.app.send_task("note", (value,)).id)

    @made.task(shared=False, name="note")
    def note(value: Any) -> None:
        with Path(os.environ["NOTES"]).open("a") as notes:
            notes.write(f"{value} {time.time()}\n")

    @made.task(shared=False, name="note_after_retries", bind=True, max_retries=None)
    def note_after_retries(self: Any, value: Any, retries: int, countdown: float) -> None:
        if self.request.retries < retries:
            raise self.retry(countdown=countdown)
        note(value)

    return made


def waiting(app: Celery, queue: str | None = None) -> int:
    """Return how many messages are ready in ``queue``, else in the work queue, as pika is told."""
    name = queue or app.amqp.default_queue.name
    with pika.BlockingConnection(pika.URLParameters(app.conf.broker_url)) as connection:
        try:
            declared = connection.channel().queue_declare(name, passive=True)
        except ChannelClosedByBroker:
            return 0
        return int(declared.method.message_count)


def masked(url: str) -> str:
    """Return ``url`` as an error shows it."""
    return str(Connection(url).as_uri())


app = make_app(
    os.environ.get("CELERY_BROKER_URL", "amqp://"),
    work_queue_name=os.environ.get("TEST_QUEUE", "task_queue"),
    result_backend=os.environ.get("TEST_RESULT_BACKEND"),
)
"""The same app for workers: ``celery -A tests.support.publishing_app worker``."""

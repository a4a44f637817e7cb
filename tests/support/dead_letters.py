"""Dead letters put there by the test, and the command that operates them as a child process."""

from __future__ import annotations

import subprocess
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

import amqp
from celery import Celery

from proj import plugin
from proj.dead_letters.copying import Copies, Copy, Original
from proj.dead_letters.letter import NO_ERROR, WHEN, ErrorDetails, headers_of
from proj.dead_letters.reasons import Reason
from tests.support import workqueue_command
from tests.support.settlement_scene import Scene

__all__ = [
    "app_of",
    "command",
    "environment_of",
    "put_letter",
    "put_letters",
    "put_many",
    "run",
    "taken",
]

DIED = datetime(2026, 11, 24, 9, tzinfo=timezone.utc)

BODY = b'[["first"], {}, {}]'


def put_letter(
    scene: Scene,
    letter_id: str,
    *,
    reason: Reason = Reason.FAILED,
    task: str = "note",
    died_after_seconds: float = 0.0,
    message: str = "no such file",
    body: bytes = BODY,
    headers: dict[str, Any] | None = None,
    **properties: Any,
) -> None:
    """Put one letter into the dead-letter queue, as a worker writes it."""
    error = ErrorDetails("OSError", message, "Traceback (most recent call last):\n  ...")
    told: dict[str, Any] = headers_of(reason, queue=scene.queue, task=task, attempts=5, error=error)
    told[WHEN] = (DIED + timedelta(seconds=died_after_seconds)).isoformat()
    told |= {"id": letter_id, "task": task, **(headers or {})}
    scene.broker.send(
        body,
        routing_key=scene.broker.letters_queue,
        headers=told,
        content_type="application/json",
        content_encoding="utf-8",
        correlation_id=letter_id,
        delivery_mode=2,
        **properties,
    )


def put_letters(scene: Scene, count: int, **options: Any) -> list[str]:
    """Put ``count`` letters there, the newest last; return their ids in that order."""
    ids = [f"{number:08x}-letter" for number in range(count)]
    for number, each in enumerate(ids):
        put_letter(scene, each, died_after_seconds=number, **options)
    return ids


def put_many(scene: Scene, count: int, body: bytes = BODY) -> None:
    """Put ``count`` letters there fast, with the ids ``many-0`` and so on."""
    queue = scene.broker.letters_queue
    copies = [
        Copy(Original(body, _properties(scene, f"many-{number}")), {}, ())
        for number in range(count)
    ]
    with closing(Copies(app_of(scene).connection_for_write, timeout_seconds=60)) as publishing:
        for start in range(0, count, 1_000):
            assert not any(publishing.publish_all(copies[start : start + 1_000], queue))


def _properties(scene: Scene, letter_id: str) -> bytes:
    told = headers_of(Reason.FAILED, queue=scene.queue, task="note", attempts=1, error=NO_ERROR)
    message = amqp.Message(
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
        application_headers={**told, "id": letter_id, "task": "note"},
    )
    written: bytes = message._serialize_properties()  # noqa: SLF001 - py-amqp writes them nowhere else
    return written


def environment_of(scene: Scene) -> dict[str, str]:
    """Return the environment of a process that works on the scene's queues."""
    own = {"WORK_QUEUE_NAME": scene.queue, "WORK_QUEUE_TYPE": scene.type}
    return workqueue_command.environment_of(scene.url, own)


def command(*options: str) -> list[str]:
    """Return the command ``dead-letters`` with ``options``."""
    return workqueue_command.command("dead-letters", *options)


def run(
    scene: Scene, *options: str, typed: str = "", broker_url: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command on the scene's queues, with ``typed`` on its standard input."""
    own = {"WORK_QUEUE_NAME": scene.queue, "WORK_QUEUE_TYPE": scene.type}
    arguments = ("dead-letters", *options)
    return workqueue_command.run(broker_url or scene.url, *arguments, environment=own, typed=typed)


def app_of(scene: Scene) -> Celery:
    """Return an app with the plug-in, for the Python interface."""
    app = Celery("theirs", broker=scene.url, set_as_current=False)
    app.conf.work_queue_name = scene.queue
    app.conf.work_queue_type = scene.type
    plugin.install(app)
    return app


def taken(scene: Scene, queue: str) -> list[tuple[Any, bytes]]:
    """Take all that waits in ``queue``, for good."""
    found = []
    while (one := scene.broker.take(queue)) is not None:
        found.append(one)
    return found

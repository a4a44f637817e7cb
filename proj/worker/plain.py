"""Makes a message without Celery headers a task message: any AMQP client can feed the queue."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

__all__ = ["as_task_message", "is_plain"]

TEXT_CONTENT_TYPES = frozenset(
    {None, "", "application/data", "application/octet-stream", "application/json"}
)
"""What clients send text under, beside ``text/*``; pika's default is no content type at all."""


def is_plain(message: Any) -> bool:
    """Return whether ``message`` carries text for a person or a program, not a Celery task.

    Celery's protocol 2 names the task in a header, its protocol 1 in a JSON object as the body.
    """
    if "task" in message.headers:
        return False
    content_type = message.content_type
    if content_type not in TEXT_CONTENT_TYPES and not str(content_type).startswith("text/"):
        return False
    return not _is_protocol_1(message)


def as_task_message(message: Any, task: str) -> None:
    """Turn ``message`` in place into a call of ``task`` with its text.

    Raises ``UnicodeDecodeError`` for a body that is no text, ``LookupError`` for a content encoding
    that names no character set.
    """
    text = _text(message)
    task_id = str(message.properties.get("message_id") or uuid4())
    message.headers = {
        "lang": "py",
        "task": task,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "argsrepr": repr((text[:1024],)),
        "kwargsrepr": "{}",
    }
    message.body = json.dumps([[text], {}, {}]).encode()
    message.content_type = "application/json"
    message.content_encoding = "utf-8"


def _is_protocol_1(message: Any) -> bool:
    if message.content_type != "application/json":
        return False
    try:
        body = json.loads(message.body)
    except ValueError:
        return False
    return isinstance(body, dict) and {"task", "id"} <= body.keys()


def _text(message: Any) -> str:
    body = message.body
    if isinstance(body, str):
        return body
    encoding = message.content_encoding
    return bytes(body).decode("utf-8" if encoding in (None, "", "binary") else encoding)

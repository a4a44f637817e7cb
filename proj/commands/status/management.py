"""Asks RabbitMQ's management API what AMQP cannot tell.

https://www.rabbitmq.com/docs/management
"""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from proj.commands.status.snapshot import QueueState, Snapshot

__all__ = ["complete"]

TIMEOUT_SECONDS = 3.0


def complete(found: Snapshot, url: str, virtual_host: str) -> None:
    """Fill in what the API at ``url`` tells of the queues; say in ``found`` if it does not."""
    for queue in (found.work, found.dead_letters):
        try:
            told = _get(url, f"queues/{quote(virtual_host, safe='')}/{quote(queue.name, safe='')}")
        except (OSError, ValueError, HTTPException) as error:
            parts = urlsplit(url)
            found.problem = f"{parts.scheme}://{parts.hostname}:{parts.port or ''}: {error}"
            return
        _fill_in(queue, told)


def _fill_in(queue: QueueState, told: dict[str, Any]) -> None:
    queue.in_work = told.get("messages_unacknowledged", queue.in_work)
    stats = told.get("message_stats", {})
    queue.in_per_second = stats.get("publish_details", {}).get("rate", 0.0)
    queue.out_per_second = stats.get("ack_details", {}).get("rate", 0.0)
    if told.get("head_message_timestamp"):
        queue.oldest_seconds = max(0.0, time.time() - told["head_message_timestamp"])
    limits = {**(told.get("effective_policy_definition") or {}), **told.get("arguments", {})}
    queue.most = limits.get("x-max-length", limits.get("max-length"))


def _get(url: str, path: str) -> dict[str, Any]:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
    request = urllib.request.Request(f"{parts.scheme}://{host}/api/{path}")  # noqa: S310 - http or https: proj.settings
    authorization = base64.b64encode(f"{user}:{password}".encode()).decode()
    request.add_header("Authorization", f"Basic {authorization}")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
        told = json.load(answer)
    return told if isinstance(told, dict) else {}

"""Asks a broker's management API what it knows, so that a test believes the broker and not us."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

__all__ = ["Management"]


class Management:
    """The HTTP API of one node, as user guest: https://www.rabbitmq.com/docs/management ."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.root = f"http://{address}:{port}/api"

    def answers(self) -> bool:
        """Return whether the node is up: its listeners take connections and its queues answer."""
        try:
            return bool(self.call("GET", "/health/checks/port-listener/5672", any_status=True))
        except OSError:
            return False

    def delete_virtual_host(self, name: str) -> None:
        """Delete virtual host ``name`` with its queues; the broker closes its connections."""
        self.call("DELETE", f"/vhosts/{quote(name, safe='')}")

    def queue(self, virtual_host: str, name: str) -> dict[str, Any]:
        """Return what the broker says of a queue: durable, arguments, messages; {} if none."""
        found = self.call("GET", f"/queues/{quote(virtual_host, safe='')}/{quote(name, safe='')}")
        return found if isinstance(found, dict) else {}

    def unacknowledged_by_channel(self, virtual_host: str) -> list[int]:
        """Return for each channel of ``virtual_host`` its number of unacknowledged deliveries."""
        channels = self.call("GET", "/channels")
        return [
            each.get("messages_unacknowledged", 0)
            for each in channels
            if each.get("vhost") == virtual_host
        ]

    def call(self, method: str, path: str, body: Any = None, *, any_status: bool = False) -> Any:
        """Return the JSON of the answer; None for 404; raises OSError for another failure."""
        request = urllib.request.Request(
            self.root + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            if any_status:
                return True
            if error.code == 404:
                return None
            raise
        return json.loads(text) if text else None

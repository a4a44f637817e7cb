"""Reads a broker's management API, for what AMQP cannot tell: alarms, members, policies.

Only where ``work_queue_management_url`` names it. https://www.rabbitmq.com/docs/http-api-reference
"""

from __future__ import annotations

import base64
import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import HTTPErrorProcessor, Request, build_opener

from kombu.utils.url import maybe_sanitize_url

from proj.errors import ManagementUnavailable

__all__ = ["Management", "limits_of"]

TIMEOUT_SECONDS = 5.0

NOT_FOUND = 404


def limits_of(queue: dict[str, Any]) -> dict[str, Any]:
    """Return what arguments, or else a policy, set for a queue of the API: ``max-length``, ..."""
    arguments = queue.get("arguments", {}).items()
    policy = queue.get("effective_policy_definition") or {}
    return {**policy, **{key.removeprefix("x-"): value for key, value in arguments}}


class Answered(HTTPErrorProcessor):
    """Follows no redirection: that would carry the password to another host."""

    def http_response(self, request: Any, response: Any) -> Any:
        """Return an answer of 200, raise ``HTTPError`` for any other."""
        if response.code == 200:  # noqa: PLR2004 - HTTP's OK
            return response
        raise HTTPError(request.full_url, response.code, response.msg, response.headers, response)

    https_response = http_response


class Management:
    """The API at ``url``, about the virtual host of ``connection`` (a Kombu connection).

    Without an account in ``url``, it is asked with the connection's own.
    """

    def __init__(self, url: str, connection: Any) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        user, password = parts.username, parts.password
        self.user = unquote(user) if user else connection.userid or "guest"
        secret = unquote(password or "") if user else connection.password or "guest"
        self.masked_url = maybe_sanitize_url(url)
        self.virtual_host = quote(connection.virtual_host or "/", safe="")
        self._root = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api"
        account = base64.b64encode(f"{self.user}:{secret}".encode()).decode()
        self._headers = {"Authorization": f"Basic {account}"}

    def queue(self, name: str) -> dict[str, Any] | None:
        """Return what the broker says of queue ``name``, None where there is none."""
        found: dict[str, Any] | None = self.get(
            f"/queues/{self.virtual_host}/{quote(name, safe='')}"
        )
        return found

    def get(self, path: str) -> Any:
        """Return the JSON at ``path`` (``/nodes``), None where the API knows nothing there.

        Raises :class:`proj.errors.ManagementUnavailable` where it does not answer in 5 s, refuses
        the account, or is no management API.
        """
        request = Request(self._root + path, headers=self._headers)  # noqa: S310 - the scheme is checked with the setting
        try:
            with build_opener(Answered).open(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            error.close()
            if error.code == NOT_FOUND:
                return None
            raise ManagementUnavailable(self.masked_url, f"{error.code} {error.reason}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise ManagementUnavailable(self.masked_url, str(error) or repr(error)) from error

"""The reference tasks, run in this process by Celery's own tracer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import requests

from tasks import messages
from tasks.messages import process_message
from tasks.webhooks import TryAgainLater, deliver


class Receiver(HTTPServer):
    """Somebody else's server: answers as ``statuses`` say, and remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        self.statuses: list[int] = []
        self.received: list[tuple[str, object]] = []


class Answer(BaseHTTPRequestHandler):
    """One request to a :class:`Receiver`."""

    server: Receiver

    def do_POST(self) -> None:
        """Remember key and payload, and answer with the next status."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.headers["Idempotency-Key"], json.loads(body)))
        self.send_response(self.server.statuses.pop(0))
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as above
        """Stay silent."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running HTTP server on loopback."""
    with Receiver() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("body", "seconds"), [("Message 0", 0), ("a.b..", 3), ("", 0)])
def test_a_message_takes_a_second_for_every_dot(
    body: str, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dots are counted in the text, wherever they stand."""
    slept: list[float] = []
    monkeypatch.setattr(messages.time, "sleep", slept.append)
    process_message.apply((body,)).get()

    assert slept == [seconds]


def test_a_busy_server_is_tried_again_with_the_same_key(receiver: Receiver) -> None:
    """Answers that pass are worth another try; the key lets the server tell a repetition."""
    receiver.statuses = [503, 429, 200]
    status = deliver.apply((receiver.url, {"photo": 7}), task_id="delivery-1").get()

    assert status == 200
    assert receiver.received == [("delivery-1", {"photo": 7})] * 3


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_refusal_is_not_tried_again(receiver: Receiver, status: int) -> None:
    """An answer that will not get better fails the task at once."""
    receiver.statuses = [status]
    with pytest.raises(requests.HTTPError):
        deliver.apply((receiver.url, {})).get()

    assert len(receiver.received) == 1


def test_a_server_that_stays_busy_fails_the_task_in_the_end(receiver: Receiver) -> None:
    """After one try and eight retries the task has failed for good."""
    receiver.statuses = [503] * 9
    with pytest.raises(TryAgainLater, match="answered 503"):
        deliver.apply((receiver.url, {})).get()

    assert len(receiver.received) == 9

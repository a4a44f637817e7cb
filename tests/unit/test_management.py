"""What the client of the management API makes of each kind of answer."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest
from kombu import Connection

from proj.broker.management import Management
from proj.errors import ManagementUnavailable


class Api(BaseHTTPRequestHandler):
    """Answers each path with its status, headers and body."""

    answers: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {
        "/prefix/api/queues/a%2Fb/letters%2F1": (200, {}, b'{"messages": 7}'),
        "/prefix/api/refused": (401, {}, b"{}"),
        "/prefix/api/moved": (302, {"Location": "/prefix/api/stolen"}, b""),
        "/prefix/api/page": (200, {}, b"<html>"),
    }
    seen: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        """Answer, and remember who asked."""
        self.seen.append((self.path, self.headers["Authorization"]))
        status, headers, body = self.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Run the API on a free port of the loopback interface; give host and port."""
    Api.seen.clear()
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def management(url: str) -> Management:
    """Return a client with the account of a broker whose virtual host is ``a/b``."""
    return Management(url, Connection("amqp://me:s3cret@broker/a%2Fb"))


def test_a_queue_is_found_by_names_with_any_letters(address: str) -> None:
    """Names are quoted; without an account in the URL the broker's own is used."""
    found = management(f"http://{address}/prefix").queue("letters/1")

    assert found == {"messages": 7}
    assert Api.seen == [("/prefix/api/queues/a%2Fb/letters%2F1", "Basic bWU6czNjcmV0")]


def test_what_is_not_there_is_none(address: str) -> None:
    """A queue that does not exist is no error."""
    assert management(f"http://{address}/prefix").queue("nowhere") is None


@pytest.mark.parametrize(
    ("path", "told"), [("/refused", "401"), ("/moved", "302"), ("/page", "Expecting value")]
)
def test_another_answer_is_one_error_without_the_password(
    address: str, path: str, told: str
) -> None:
    """A refused account, a redirection and a page that is no JSON are told; none is followed."""
    asked = management(f"http://you:hidden@{address}/prefix")

    with pytest.raises(ManagementUnavailable, match=told) as raised:
        asked.get(path)

    assert "you:**@" in str(raised.value)
    assert "hidden" not in str(raised.value)
    assert [each for each, _ in Api.seen] == [f"/prefix/api{path}"]


def test_nobody_there_is_the_same_error() -> None:
    """A closed port is told by the same error."""
    with pytest.raises(ManagementUnavailable, match="refused"):
        management("http://127.0.0.1:1").get("/nodes")

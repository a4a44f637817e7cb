"""Queues, exchanges and connections of the embedded broker."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from kombu import Connection, Exchange, Queue
from kombu.pools import connections

from proj.embedded import register


def test_registering_imports_nothing_of_the_transport(processes: Any, until: Any) -> None:
    """`register` is cheap: the transport is imported when a connection is made."""
    process = processes.start(
        "-c",
        "import sys, proj.embedded; proj.embedded.register();"
        "sys.exit('sqlite3' in sys.modules or 'proj.embedded.transport' in sys.modules)",
    )
    until(lambda: process.poll() is not None)
    assert process.returncode == 0, processes.output(process)


def test_a_relative_url_names_a_file_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sqlite:///a.db is relative, and shown as written."""
    monkeypatch.chdir(tmp_path)
    with Connection("sqlite:///a.db") as connection:
        connection.connect()
        assert connection.as_uri() == "sqlite:///a.db"
    assert (tmp_path / "a.db").exists()


def test_a_connection_can_be_copied_pickled_pooled_and_failed_over(url: str) -> None:
    """What Kombu and Celery do with a connection works with this URL."""
    register()
    connection = Connection(url)
    for copy in (connection.clone(), pickle.loads(pickle.dumps(connection))):  # noqa: S301
        with copy:
            assert copy.as_uri() == url
            copy.connect()
    with connections[connection].acquire(block=True) as pooled:
        assert pooled.channel().channel_id == 1
    connections[connection].force_close_all()
    with Connection(["sqlite:////no/such/folder/a.db", url]) as cluster:
        cluster.ensure_connection(max_retries=2, interval_start=0)
        assert cluster.as_uri() == url


def test_a_missing_queue_is_not_found(channel: Any) -> None:
    """A passive declare, a purge and a consumer of a queue that does not exist raise 404."""
    for attempt in (
        lambda: channel.queue_declare("q", passive=True),
        lambda: channel.queue_purge("q"),
        lambda: channel.basic_consume("q"),
        lambda: channel.exchange_declare("e", passive=True),
    ):
        with pytest.raises(NotFound) as raised:
            attempt()
        assert raised.value.reply_code == 404
    assert channel.queue_delete("q") == 0


def test_a_queue_declared_again_with_other_arguments_is_refused(channel: Any) -> None:
    """The error names the argument and both values; arguments of RabbitMQ's own are ignored."""
    channel.queue_declare("q", durable=True, arguments={"x-message-ttl": 1000, "x-queue-type": "a"})
    channel.queue_declare("q", durable=True, arguments={"x-message-ttl": 1000, "x-queue-type": "b"})
    with pytest.raises(
        PreconditionFailed, match=r"'x-message-ttl'.* received 5 .* current is 1000"
    ):
        channel.queue_declare("q", durable=True, arguments={"x-message-ttl": 5})
    with pytest.raises(PreconditionFailed, match="'durable'"):
        channel.queue_declare("q", arguments={"x-message-ttl": 1000})
    channel.exchange_declare("e", "direct")
    with pytest.raises(PreconditionFailed, match="'type'"):
        channel.exchange_declare("e", "topic")
    with pytest.raises(AccessRefused):
        channel.queue_bind("q", "", "x")


def test_an_exclusive_queue_is_its_connections_alone_and_goes_with_it(connect: Any) -> None:
    """Another connection is refused; when the owner closes, the queue is gone."""
    owner, other = connect(), connect().channel()
    owner.channel().queue_declare("q", exclusive=True)
    owner.channel().queue_declare("q", passive=True)
    with pytest.raises(ResourceLocked):
        other.queue_declare("q", passive=True)
    owner.release()
    with pytest.raises(NotFound):
        other.queue_declare("q", passive=True)


def test_an_exclusive_queue_goes_with_its_killed_owner(
    connect: Any, url: str, processes: Any, until: Any
) -> None:
    """The next process of the same name declares the queue, though its owner said no good-bye."""
    owner = processes.start(
        "-c",
        "import sys, time, kombu, proj.embedded; proj.embedded.register();"
        "kombu.Connection(sys.argv[1]).channel().queue_declare('q', exclusive=True);"
        "print('declared', flush=True); time.sleep(60)",
        url,
    )
    until(lambda: "declared" in processes.output(owner), state=lambda: processes.output(owner))
    channel = connect().channel()
    with pytest.raises(ResourceLocked):
        channel.queue_declare("q", exclusive=True)
    owner.kill()
    owner.wait()
    channel.queue_declare("q", exclusive=True)


def test_an_auto_delete_queue_goes_with_its_last_consumer(connect: Any) -> None:
    """It stays while it has had no consumer, and its auto-delete exchange goes with it."""
    channel = connect().channel()
    queue = Queue("q", Exchange("e", auto_delete=True), routing_key="q", auto_delete=True)
    queue(channel).declare()
    channel.basic_consume("q", consumer_tag="one")
    channel.basic_consume("q", consumer_tag="two")
    channel.basic_cancel("one")
    assert channel.queue_declare("q", passive=True).consumer_count == 1
    channel.basic_cancel("two")
    with pytest.raises(NotFound):
        channel.queue_declare("q", passive=True)
    with pytest.raises(NotFound):
        channel.exchange_declare("e", passive=True)


def test_an_unused_queue_expires(channel: Any, until: Any) -> None:
    """x-expires removes a queue that nobody consumes from, not one that has a consumer."""
    for name in ("used", "unused"):
        channel.queue_declare(name, arguments={"x-expires": 100})
    channel.basic_consume("used")

    def gone() -> bool:
        try:
            channel.queue_declare("unused", passive=True)
        except NotFound:
            return True
        return False

    until(gone)
    assert channel.queue_declare("used", passive=True).consumer_count == 1


def test_a_queue_is_deleted_with_conditions(channel: Any) -> None:
    """if_empty and if_unused protect a queue; deletion tells how many messages were in it."""
    channel.queue_declare("q")
    channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")
    with pytest.raises(PreconditionFailed):
        channel.queue_delete("q", if_empty=True)
    assert channel.queue_delete("q") == 1


def test_a_consumer_learns_that_its_queue_was_deleted(connect: Any, until: Any) -> None:
    """The consumer's on_cancel is called, as for RabbitMQ's basic.cancel."""
    connection = connect()
    channel = connection.channel()
    channel.queue_declare("q")
    cancelled: list[str] = []
    channel.basic_consume("q", consumer_tag="t", on_cancel=cancelled.append)
    connect().channel().queue_delete("q")

    def told() -> list[str]:
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.1)
        return cancelled

    assert until(told) == ["t"]


def test_a_dropped_connection_gives_its_messages_back(connect: Any, url: str) -> None:
    """A connection that was never closed but is garbage holds nothing for ever."""
    channel = connect().channel()
    channel.queue_declare("q")
    channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")
    dropped = Connection(url)
    assert dropped.channel().basic_get("q") is not None
    assert channel.queue_declare("q", passive=True).message_count == 0
    dropped.connection._doorbell.close()  # noqa: SLF001  spares the warning of an open socket
    del dropped
    gc.collect()
    assert channel.queue_declare("q", passive=True).message_count == 1

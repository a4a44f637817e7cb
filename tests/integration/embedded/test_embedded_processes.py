"""Many processes, threads and forks at once on one broker file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kombu import Connection

from proj.embedded.publishing import Publication

SECONDS = float(os.environ.get("EMBEDDED_LOAD_SECONDS", "6"))
PRODUCER = """
import os, sys, time
from embedded_app import record
until, name, number = time.monotonic() + float(sys.argv[1]), sys.argv[2], 0
with open(f'{os.environ["LEDGER"]}-accepted-{name}', 'w') as accepted:
    while time.monotonic() < until:
        record.delay(f'{name}-{number}')
        accepted.write(f'{name}-{number}\\n')
        number += 1
        time.sleep(0.02)
"""


def test_eight_producers_and_four_workers_lose_and_repeat_nothing(
    processes: Any, until: Callable[..., Any]
) -> None:
    """No "database is locked" reaches anyone, and every accepted task runs exactly once."""
    workers = [processes.worker("-c1", name=f"w{number}") for number in range(4)]
    producers = [processes.start("-c", PRODUCER, str(SECONDS), f"p{number}") for number in range(8)]
    for producer in producers:
        assert producer.wait(timeout=SECONDS + 60) == 0, processes.output(producer)
    accepted = [
        name
        for file in processes.folder.glob("ledger-accepted-*")
        for name in file.read_text().split()
    ]
    until(
        lambda: len(processes.done()) >= len(accepted),
        seconds=60,
        state=lambda: (len(processes.done()), len(accepted)),
    )

    assert len(accepted) > 100
    assert Counter(processes.done()) == Counter(accepted)
    for process in (*workers, *producers):
        assert "locked" not in processes.output(process)
        assert "Traceback" not in processes.output(process)


def test_processes_that_open_a_new_file_at_once_all_succeed(
    connect: Any, processes: Any, until: Callable[..., Any]
) -> None:
    """Who comes first makes the file; the others find it made."""
    script = (
        "import os, time, kombu, proj.embedded, proj.embedded.transport\n"
        "proj.embedded.register()\n"
        "while not os.path.exists(os.environ['LEDGER']): time.sleep(0.001)\n"
        "kombu.Connection(os.environ['BROKER_URL']).SimpleQueue('q').put('x')\n"
    )
    started = [processes.start("-W", "ignore", "-c", script) for _ in range(8)]
    processes.ledger.touch()
    for process in started:
        until(lambda process=process: process.poll() is not None)
        assert process.returncode == 0, processes.output(process)

    assert connect().channel().queue_declare("q", passive=True).message_count == 8


def test_a_publish_waits_for_the_disk_and_a_claim_does_not(connect: Any) -> None:
    """synchronous=FULL for what is accepted, NORMAL for what costs one more delivery if lost."""
    database = connect().channel().database
    for durable, level in ((True, 2), (False, 1), (True, 2)):
        with database.write(durable=durable) as transaction:
            assert transaction.row("PRAGMA synchronous") == (level,)
            assert transaction.row("PRAGMA journal_mode") == ("wal",)


def test_a_process_that_published_can_fork_and_both_go_on(
    connect: Any, processes: Any, until: Callable[..., Any]
) -> None:
    """As under Gunicorn: import, publish, fork, then publish in parent and children."""
    script = (
        "import os, sys\n"
        "from embedded_app import record\n"
        "record.delay('before')\n"
        "children = []\n"
        "for number in range(4):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        [record.delay(f'child-{number}-{i}') for i in range(25)]\n"
        "        os._exit(0)\n"
        "    children.append(child)\n"
        "[record.delay(f'parent-{i}') for i in range(25)]\n"
        "sys.exit(any(os.waitpid(child, 0)[1] for child in children))\n"
    )
    process = processes.start("-c", script)
    until(lambda: process.poll() is not None, state=lambda: processes.output(process))

    assert process.returncode == 0, processes.output(process)
    counts = connect().channel().queue_declare("task_queue", passive=True)
    assert counts.message_count == 126


def test_a_fork_while_threads_publish_and_consume_hangs_nobody(
    processes: Any, connect: Any, until: Callable[..., Any]
) -> None:
    """A child forked in the midst of other threads' transactions can use the broker at once."""
    script = (
        # All imported before: a child can hang on a module that another thread was importing,
        # which is Python's limit and not this broker's.
        "import os, sys, threading, kombu.messaging, proj.embedded.transport\n"
        "proj.embedded.register()\n"
        "url = os.environ['BROKER_URL']\n"
        "def publish(count):\n"
        "    with kombu.Connection(url) as connection:\n"
        "        producer = connection.Producer()\n"
        "        for number in range(count):\n"
        "            producer.publish(number, routing_key='q')\n"
        "with kombu.Connection(url) as connection:\n"
        "    connection.channel().queue_declare('q', durable=True, auto_delete=False)\n"
        "    threads = [threading.Thread(target=publish, args=(200,)) for _ in range(3)]\n"
        "    [thread.start() for thread in threads]\n"
        "    children = []\n"
        "    for _ in range(20):\n"
        "        child = os.fork()\n"
        "        if not child:\n"
        "            publish(5)\n"
        "            os._exit(0)\n"
        "        children.append(child)\n"
        "    [thread.join() for thread in threads]\n"
        "    sys.exit(any(os.waitpid(child, 0)[1] for child in children))\n"
    )
    process = processes.start("-W", "ignore::DeprecationWarning", "-c", script)
    until(lambda: process.poll() is not None, seconds=60, state=lambda: processes.output(process))

    assert process.returncode == 0, processes.output(process)
    assert connect().channel().queue_declare("q", passive=True).message_count == 700


def test_a_forked_childs_end_does_not_release_what_its_parent_holds(
    connect: Any, processes: Any, until: Callable[..., Any]
) -> None:
    """The child inherits no lock, and takes none with it when it closes what it inherited."""
    channel = connect().channel()
    channel.queue_declare("q", auto_delete=False)
    channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")
    script = (
        "import os, sys, time, kombu, proj.embedded\n"
        "proj.embedded.register()\n"
        "connection = kombu.Connection(os.environ['BROKER_URL'])\n"
        "message = connection.channel().basic_get('q')\n"
        "socket = connection.connection.doorbell.address\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    connection.channel().queue_declare('of the child')\n"
        "    connection.release()\n"
        "    sys.exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print('child ended', os.path.exists(socket), flush=True)\n"
        "time.sleep(60)\n"
    )
    process = processes.start("-c", script)
    until(
        lambda: "child ended True" in processes.output(process),
        state=lambda: processes.output(process),
    )

    def counts() -> int:
        return int(channel.queue_declare("q", passive=True).message_count)

    assert counts() == 0
    process.kill()
    process.wait()
    assert counts() == 1


def test_threads_of_one_process_share_the_file(url: str, connect: Any) -> None:
    """Eight threads with connections of their own publish and consume; each message comes once."""
    connect().channel().queue_declare("q", auto_delete=False)
    got: list[int] = []
    failures: list[BaseException] = []

    def publish(first: int) -> None:
        with Connection(url) as connection:
            for number in range(first, first + 100):
                connection.Producer().publish(number, routing_key="q")

    def consume() -> None:
        with Connection(url) as connection:
            channel = connection.channel()
            channel.basic_qos(0, 3, False)  # noqa: FBT003  as Kombu calls it

            def take(message: Any) -> None:
                got.append(message.payload)
                message.ack()

            channel.basic_consume("q", callback=take)
            while len(got) < 400:
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.2)

    def run(work: Callable[..., None], *arguments: int) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001  told by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(publish, 100 * n)) for n in range(4)]
    threads += [threading.Thread(target=run, args=(consume,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert not failures
    assert sorted(got) == list(range(400))


def test_a_backlog_leaves_no_lasting_growth(connect: Any, broker_file: Path) -> None:
    """The space of what was consumed is used again, and the log is bounded under constant load."""
    channel = connect().channel()
    channel.queue_declare("q", auto_delete=False)
    count = int(os.environ.get("EMBEDDED_BACKLOG", "20000"))
    sizes = []
    for _ in range(2):
        for _ in range(count // 500):
            channel.publish_batch(
                [
                    Publication(channel.prepare_message("x" * 200, priority=n % 3), "", "q")
                    for n in range(500)
                ]
            )
        got = []
        channel.basic_qos(0, 100, False)  # noqa: FBT003
        channel.basic_consume("q", callback=got.append, consumer_tag="t")
        while len(got) < count:
            channel.connection.drain_events(timeout=5)
            if len(got) % 100 == 0:
                channel.basic_ack(got[-1].delivery_tag, multiple=True)
        channel.basic_cancel("t")
        sizes.append(broker_file.stat().st_size)
        log = broker_file.with_name(broker_file.name + "-wal").stat().st_size
        assert log <= 32 * 1024 * 1024

    assert sizes[1] <= sizes[0] * 1.02


def test_a_claim_finds_its_message_by_an_index(connect: Any, broker_file: Path) -> None:
    """SQLite's plan for a claim searches the index of ready messages and sorts nothing."""
    connect().channel().queue_declare("q")
    looking = sqlite3.connect(broker_file)
    plan = " / ".join(
        row[3]
        for row in looking.execute(
            "EXPLAIN QUERY PLAN SELECT m.id FROM message m INDEXED BY message_ready"
            " CROSS JOIN payload p ON p.id = m.id WHERE m.queue_id = 1"
            " AND session_id IS NULL AND due_at IS NULL ORDER BY m.priority DESC, m.id LIMIT 1"
        )
    )
    looking.close()
    assert plan.startswith("SEARCH m USING")
    assert "message_ready (queue_id=?)" in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN" not in plan

"""What the embedded broker refuses: one line that names the file and the remedy, nothing lost."""

from __future__ import annotations

import os
import re
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from proj.embedded import opening, schema
from proj.embedded.errors import (
    DiskFull,
    FileReplaced,
    ForeignDatabase,
    NewerFormat,
    NoSuchFolder,
    NotADatabase,
    SQLiteTooOld,
    WriteLockTimeout,
)
from proj.embedded.locks import WRITER, LockFile

NOBODY = 65534


def refused(url: str, error: type[OperationalError]) -> str:
    """Connect, expect the error, and return its one line."""
    connection = Connection(url)
    with pytest.raises(error) as raised:
        connection.ensure_connection(max_retries=1, interval_start=0)
    connection.release()
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_a_file_that_is_no_database_is_left_alone(url: str, broker_file: Path) -> None:
    """The error says so, and the file's bytes are as before."""
    content = b"This is a letter to my grandmother. " * 100
    broker_file.write_bytes(content)
    assert f"{broker_file} is not an SQLite database" in refused(url, NotADatabase)
    assert broker_file.read_bytes() == content


def test_another_programs_database_is_left_alone(url: str, broker_file: Path) -> None:
    """Neither tables nor journal mode of somebody's data are touched."""
    theirs = sqlite3.connect(broker_file)
    theirs.execute("CREATE TABLE message (id)")
    theirs.close()
    content = broker_file.read_bytes()
    assert "another program" in refused(url, ForeignDatabase)
    assert broker_file.read_bytes() == content


def test_a_newer_format_is_refused(url: str, broker_file: Path, connect: Any) -> None:
    """An older version of this package does not guess at a newer file."""
    first = connect()
    first.connect()
    first.release()
    theirs = sqlite3.connect(broker_file)
    theirs.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    theirs.close()
    assert "upgrade celery-workqueue" in refused(url, NewerFormat)


def test_an_older_format_migrates_in_place(
    connect: Any, monkeypatch: pytest.MonkeyPatch, broker_file: Path
) -> None:
    """A file of the version before is brought forward, its waiting messages kept."""
    first = connect()
    channel = first.channel()
    channel.queue_declare("q", auto_delete=False)
    channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")
    first.release()
    step = "ALTER TABLE payload ADD COLUMN note TEXT; UPDATE payload SET note = 'migrated'"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))

    assert connect().channel().basic_get("q").body == b"x"
    looking = sqlite3.connect(broker_file)
    version = looking.execute("PRAGMA user_version").fetchone()
    assert version == (len(schema.MIGRATIONS),)
    assert looking.execute("SELECT note FROM payload").fetchall() == [("migrated",)]
    looking.close()


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """No folder is made in passing."""
    text = refused(f"sqlite:///{tmp_path}/no/a.db", NoSuchFolder)
    assert "create it first" in text


@pytest.mark.parametrize("what", ["folder", "pipe", "circle of links"])
def test_what_is_no_file_is_refused(url: str, broker_file: Path, what: str) -> None:
    """Nothing is opened that SQLite would read as a file, or wait for."""
    if what == "folder":
        broker_file.mkdir()
    elif what == "pipe":
        os.mkfifo(broker_file)
    else:
        broker_file.symlink_to(broker_file)
    assert f"{broker_file} is no file" in refused(url, NotADatabase)


def test_an_old_sqlite_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names both versions."""
    monkeypatch.setattr(opening, "MINIMUM_SQLITE", (99, 0, 0))
    assert f"needs SQLite 99.0.0, and this Python has {sqlite3.sqlite_version}" in refused(
        url, SQLiteTooOld
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that any user may reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)
    shutil.rmtree(folder)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_file_or_folder_is_refused(open_folder: Path, what: str) -> None:
    """A user without the right to write is told so; root is told nothing, as it has the right."""
    file = open_folder / "a.db"
    with Connection(f"sqlite:///{file}") as connection:
        connection.connect()
    file.chmod(0o644 if what == "file" else 0o666)
    open_folder.chmod(0o777 if what == "file" else 0o755)
    if os.getuid() != 0:
        file.chmod(0o444)
        open_folder.chmod(0o777 if what == "file" else 0o555)
    script = (
        "import os, sys, kombu, proj.embedded; proj.embedded.register()\n"
        "from proj.embedded.errors import NotWritable\n"
        # What Python has not imported yet may lie where nobody cannot read.
        "import proj.embedded.transport, kombu.asynchronous.hub\n"
        f"if os.getuid() == 0: os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try: kombu.Connection(sys.argv[1]).ensure_connection(max_retries=1, interval_start=0)\n"
        "except NotWritable as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{file}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.startswith(f"Cannot write {file}"), result.stderr
    assert "give this user write access" in result.stdout


def test_a_full_disk_raises_and_loses_nothing(connect: Any, broker_file: Path) -> None:
    """The publisher gets the error, what was accepted before is there, the file stays sound."""
    channel = connect(transport_options={"max_page_count": 60}).channel()
    channel.queue_declare("q", auto_delete=False)
    accepted = 0
    with pytest.raises(DiskFull, match="nothing was written; free space"):  # noqa: PT012
        while accepted < 1000:
            channel.basic_publish(channel.prepare_message(b"x" * 5000), routing_key="q")
            accepted += 1

    assert accepted
    assert channel.queue_declare("q", passive=True).message_count == accepted
    looking = sqlite3.connect(broker_file)
    assert looking.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    looking.close()
    channel.basic_get("q", no_ack=True)
    channel.basic_publish(channel.prepare_message(b"x" * 5000), routing_key="q")


def test_a_worker_waits_for_room_and_goes_on(
    connect: Any, processes: Any, broker_file: Path, until: Any
) -> None:
    """It tries again every 5 s, not at once and at once again; what was accepted runs then."""
    command = ("-m", "celery", "-A", "proj", "worker", "-P", "solo", "-l", "INFO")
    worker = processes.start(*command, CELERY_BROKER_URL=f"sqlite:///{broker_file}")
    until(lambda: " ready." in processes.output(worker), state=lambda: processes.output(worker))
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (32768, resource.RLIM_INFINITY))
    channel = connect().channel()
    channel.basic_publish(channel.prepare_message("Hello"), routing_key="task_queue")

    def refusals() -> list[datetime]:
        lost = r"^\[(\S+ \S+): .*Connection to broker lost.*SQLite failed on"
        times = re.findall(lost, processes.output(worker), re.MULTILINE)
        return [datetime.fromisoformat(time.replace(",", ".")) for time in times]

    until(lambda: len(refusals()) > 1, seconds=60, state=lambda: processes.output(worker))
    assert refusals()[1] - refusals()[0] > timedelta(seconds=4)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    until(
        lambda: "[x] Done" in processes.output(worker),
        seconds=60,
        state=lambda: processes.output(worker),
    )


def test_a_replaced_file_is_noticed(connect: Any, broker_file: Path) -> None:
    """A worker does not go on in a file that nobody else can see any more."""
    channel = connect().channel()
    channel.queue_declare("q")
    broker_file.rename(broker_file.with_suffix(".old"))
    for _ in range(2):
        with pytest.raises(FileReplaced, match="start them again"):
            channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")

    other = connect().channel()
    other.queue_declare("q")
    other.basic_publish(other.prepare_message(b"x"), routing_key="q")
    with pytest.raises(FileReplaced):
        channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")


def test_a_removed_folder_of_locks_is_noticed(connect: Any) -> None:
    """A consumer whose lock nobody can see any more stops, and does not go on as if alive."""
    connection = connect()
    channel = connection.channel()
    channel.queue_declare("q", auto_delete=False)
    channel.basic_consume("q")
    shutil.rmtree(channel.database.side_folder)
    with pytest.raises(FileReplaced, match="-sessions folder"):
        connection.drain_events(timeout=2)


def test_waiting_for_a_stopped_writer_ends(connect: Any, processes: Any, until: Any) -> None:
    """A publisher waits for another process's write only as long as it was told."""
    channel = connect(transport_options={"write_timeout_seconds": 0.3}).channel()
    channel.queue_declare("q")
    folder = channel.database.side_folder
    holder = processes.start(
        "-c",
        "import pathlib, sys, time; from proj.embedded.locks import *;"
        "lock = LockFile(pathlib.Path(sys.argv[1])); print(lock.try_hold(WRITER), flush=True);"
        "time.sleep(60)",
        str(folder / "locks"),
    )
    until(lambda: "True" in processes.output(holder), state=lambda: processes.output(holder))
    with pytest.raises(WriteLockTimeout, match="look for a stopped one"):
        channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")
    holder.kill()
    holder.wait()
    channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")
    assert (WRITER, LockFile.__name__) == (0, "LockFile")


def test_the_file_is_private(connect: Any, broker_file: Path) -> None:
    """Nobody else reads the tasks' arguments: not in the file, its log or its sockets' folder."""
    connect().channel().queue_declare("q")
    for name in broker_file.parent.iterdir():
        expected = 0o700 if name.is_dir() else 0o600
        assert stat.S_IMODE(name.stat().st_mode) == expected, name
    assert {name.name for name in broker_file.parent.iterdir()} >= {
        "task_queue.db",
        "task_queue.db-wal",
        "task_queue.db-sessions",
    }


def test_a_worker_ends_with_one_line_that_says_why(broker_file: Path, processes: Any) -> None:
    """Trying again would not help: the line tells what to do, about a file, not about a server."""
    broker_file.write_bytes(b"no database " * 100)
    command = ("-m", "celery", "-A", "proj", "worker", "-P", "solo")
    worker = processes.start(*command, CELERY_BROKER_URL=f"sqlite:///{broker_file}")
    assert worker.wait(60) == 1
    told = processes.output(worker)
    assert "is not an SQLite database: name another file in the broker URL" in told
    assert "Traceback" not in told
    assert "account" not in told


def test_a_worker_without_the_plug_in_says_why_it_cannot_connect(
    broker_file: Path, processes: Any, until: Any
) -> None:
    """Celery's log shows the reason and no traceback."""
    broker_file.write_bytes(b"no database " * 100)
    worker = processes.start("-m", "celery", "-A", "embedded_app", "worker", "-P", "solo")
    until(
        lambda: "is not an SQLite database" in processes.output(worker),
        state=lambda: processes.output(worker),
    )
    assert "Traceback" not in processes.output(worker)

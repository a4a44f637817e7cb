"""This process's one connection to a broker file, shared by its threads."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from proj.embedded.errors import FileReplaced, NotWritable, WriteLockTimeout, translate
from proj.embedded.locks import WRITER, LockFile
from proj.embedded.opening import open_connection, require_usable
from proj.embedded.topology import Topology
from proj.embedded.transaction import Transaction
from proj.embedded.wake_up import Doorbells

#: Connections inherited over a fork that gave no notice: to close one would disturb the parent.
_inherited: list[sqlite3.Connection] = []


class Database:
    """A broker file as this process sees it; ``registry`` makes one for each file.

    Source of the rules followed here: https://www.sqlite.org/howtocorrupt.html (forks, locks) and
    https://www.sqlite.org/wal.html.
    """

    def __init__(
        self, path: Path, write_timeout_seconds: float, max_page_count: int | None
    ) -> None:
        self.path = path
        self._path_text = str(path)
        self.side_folder = path.with_name(path.name + "-sessions")
        self.lock = threading.RLock()
        #: The living sessions of this process, whose locks it cannot test by trying to take them.
        self.sessions: set[int] = set()
        #: Sessions that were dropped without being closed.
        self.abandoned: list[int] = []
        self.topology = Topology()
        self._write_timeout_seconds = write_timeout_seconds
        self._max_page_count = max_page_count
        self._connection: sqlite3.Connection | None = None
        self._locks: LockFile | None = None
        self._doorbells: Doorbells | None = None
        self._durable = True
        self._identity: tuple[int, int] | None = None
        #: How many connections use this object.
        self.users = 0
        #: Set for good once the file is another one: what sessions know is of the old file.
        self.replaced = False

    @property
    def locks(self) -> LockFile:
        """The lock file beside the broker file."""
        if self.replaced:
            # Opened here, it would be the new file's, and closing it would release the locks that
            # this process has on that through its newer connections.
            self._give_up()
        if self._locks is None:
            self._locks = LockFile(self._made_side_folder() / "locks")
        return self._locks

    @property
    def doorbells(self) -> Doorbells:
        """The wake-up sockets beside the broker file."""
        if self._doorbells is None:
            self._doorbells = Doorbells(self._made_side_folder())
        return self._doorbells

    def read(self) -> AbstractContextManager[Transaction]:
        """Give one consistent view of the file."""
        return self._transaction("BEGIN")

    def write(self, *, durable: bool) -> AbstractContextManager[Transaction]:
        """Give the right to change the file; everything is committed at the end, or nothing.

        A durable commit is on the disk when this returns. Any other survives the death of every
        process, but a power loss may undo those since the last durable one: enough for a claim or
        an acknowledgement, whose loss means one more delivery.
        Raises WriteLockTimeout, DiskFull, or another EmbeddedBrokerError.
        """
        return self._transaction("BEGIN IMMEDIATE", durable=durable)

    def wake(self, queue_ids: Iterable[int]) -> None:
        """Wake the sessions that consume from the queues; call after the commit."""
        for queue_id in queue_ids:
            self.doorbells.ring(self.topology.sessions_consuming(queue_id))

    def close_files(self) -> None:
        """Close everything; what is needed again opens by itself."""
        self.close_connection()
        if self._doorbells is not None:
            self._doorbells.close()
        if self._locks is not None:
            self._locks.close()
        self._doorbells = self._locks = None

    def close_connection(self) -> None:
        """Close SQLite's connection, unless a transaction is running on it."""
        if self._connection is not None and not self._connection.in_transaction:
            self._connection.close()
            self._connection = None
            self.topology.forget()

    def start_over_in_child(self) -> None:
        """Share nothing with the parent process: not its connection, its locks or its sessions."""
        if self._connection is not None:
            _inherited.append(self._connection)
            self._connection = None
        self.sessions = set()
        self.abandoned = []
        self.topology.forget()
        self.close_files()
        self.lock = threading.RLock()

    @contextlib.contextmanager
    def _transaction(self, begin: str, *, durable: bool | None = None) -> Iterator[Transaction]:
        # One block, since a publish pays for each that it enters.
        writes = durable is not None
        with self.lock:
            connection = self._open()
            try:
                # In the block: an exception of a signal handler must not keep the turn for ever.
                if writes:
                    self._take_turn()
                if durable is not None and durable is not self._durable:
                    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                    self._durable = durable
                connection.execute(begin)
                self.topology.refresh(connection)
                yield Transaction(connection, self.topology)
                connection.execute("COMMIT")
            except BaseException as error:
                # What the transaction taught the cache is undone with it.
                self.topology.forget()
                if connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise translate(error, self.path) from error
                raise
            finally:
                if writes:
                    self.locks.release(WRITER)

    def _take_turn(self) -> None:
        # One process writes or checkpoints at a time. SQLite's own lock would do for writing, but
        # it waits by sleeping up to 100 ms, and SQLite before 3.51.3 can damage the file when a
        # checkpoint and a write of two processes meet (sqlite.org/wal.html, "WAL-reset bug").
        deadline = time.monotonic() + self._write_timeout_seconds
        pause_seconds = 0.00005
        while not self.locks.try_hold(WRITER):
            if time.monotonic() > deadline:
                raise WriteLockTimeout(
                    f"Another process has been writing {self.path} for "
                    f"{self._write_timeout_seconds:g} s: look for a stopped one, then retry"
                )
            time.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311  not for secrets
            pause_seconds = min(pause_seconds * 1.5, 0.002)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            if self._connection.in_transaction:
                raise RuntimeError(f"A signal handler used {self.path} in the midst of its use")
            if self._found_identity() != self._identity:
                self._give_up()
            return self._connection
        if self.replaced or (self._identity and self._found_identity() != self._identity):
            self._give_up()
        require_usable(self.path)
        try:
            self._take_turn()
            self._connection = open_connection(self.path, self._max_page_count)
        finally:
            self.locks.release(WRITER)
        self._durable = True
        self._identity = self._found_identity()
        return self._connection

    def _found_identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path_text)  # noqa: PTH116  each publish asks: Path.stat() is slower
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def require_locks_in_place(self) -> None:
        """Raise FileReplaced if other processes no longer see the locks of this one."""
        if not self.locks.is_in_place():
            self._give_up()

    def _give_up(self) -> None:
        self.replaced = True
        self.sessions.clear()
        self.close_files()
        raise FileReplaced(
            f"{self.path} or its -sessions folder was deleted or replaced while in use: stop every "
            "process that uses it, then start them again"
        )

    def _made_side_folder(self) -> Path:
        try:
            self.side_folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise NotWritable(
                f"Cannot make {self.side_folder} ({error.strerror}): give this user write access "
                "to its folder"
            ) from error
        return self.side_folder

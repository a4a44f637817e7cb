"""What the embedded broker refuses, each in one line: what happened, to which file, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError

if TYPE_CHECKING:  # a worker on RabbitMQ knows these errors, and needs no SQLite
    import sqlite3
    from pathlib import Path


class EmbeddedBrokerError(OperationalError):
    """The embedded broker cannot do what was asked."""


class FileRefused(EmbeddedBrokerError):
    """The broker file cannot be used until somebody does what the error says."""


class NoFileNamed(FileRefused):
    """The broker URL names no file."""


class NoSuchFolder(FileRefused):
    """The folder of the broker file does not exist."""


class NetworkFileSystem(FileRefused):
    """The broker file would lie on a file system that several machines share."""


class SQLiteTooOld(FileRefused):
    """The SQLite library of this Python is older than the broker needs."""


class NotADatabase(FileRefused):
    """The file is not an SQLite database."""


class ForeignDatabase(FileRefused):
    """The file is the database of another program."""


class NewerFormat(FileRefused):
    """The file was written by a newer version of this package."""


class NotWritable(FileRefused):
    """The file or its folder cannot be written."""


class FileUnavailable(EmbeddedBrokerError):
    """The broker file cannot be used now; connecting again may mend it."""


class FileReplaced(FileUnavailable):
    """The broker file was deleted or replaced while this process used it."""


class DiskFull(FileUnavailable):
    """There is no room for the message; nothing was written."""


class WriteLockTimeout(FileUnavailable):
    """Another process held the write lock for longer than this one may wait."""


class FileFailed(FileUnavailable):
    """SQLite reports a failure that has no name above."""


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether SQLite only asks to try again, because another connection is in the way."""
    # By text: Python 3.10 does not tell the error code.
    return "locked" in str(error) or "busy" in str(error)


def translate(error: sqlite3.Error, path: Path) -> EmbeddedBrokerError:
    """Turn what SQLite reported on ``path`` into one of ours, with what to do next."""
    text = str(error)
    if "full" in text:
        return DiskFull(
            f"No room left to write {path}: nothing was written; free space, then retry"
        )
    if "readonly" in text or "unable to open" in text:
        return NotWritable(
            f"Cannot write {path} ({text}): give this user write access to it and to its folder"
        )
    if "not a database" in text:
        return NotADatabase(
            f"{path} is not an SQLite database: name another file in the broker URL, "
            "or move that one away"
        )
    return FileFailed(
        f"SQLite failed on {path} ({text}): check the disk, then run `PRAGMA integrity_check` on it"
    )

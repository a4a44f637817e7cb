"""Dead letters in a file, one JSON object a line: on the disk before the queue has them no more.

Keys: ``id``, ``reason``, ``task``, ``when`` to read; ``body`` and ``properties``, base64 of the
bytes that the broker had, to replay.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proj.dead_letters.copying import Original
from proj.dead_letters.entry import DeadLetter, read_original
from proj.errors import LetterFileUnusable

__all__ = ["LetterFile", "read_file"]


class LetterFile:
    """A new file, readable by its owner alone; a context manager.

    Raises :class:`proj.errors.LetterFileUnusable` also for a file that exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _usable(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="ascii")

    def __enter__(self) -> LetterFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, entry: DeadLetter) -> None:
        """Append one letter."""
        told, original = entry.letter, entry.original
        line = {
            "id": entry.id,
            "reason": told.reason.value,
            "task": told.task,
            "when": told.when.isoformat() if told.when else None,
            "body": base64.b64encode(original.body).decode(),
            "properties": base64.b64encode(original.properties).decode(),
        }
        with _usable(self.path):
            self._file.write(json.dumps(line) + "\n")

    def sync(self) -> None:
        """Return once all of it, and its name in the folder, is on the disk."""
        with _usable(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def read_file(path: Path) -> Iterator[DeadLetter]:
    """Yield the letters of a file. Raises :class:`proj.errors.LetterFileUnusable`."""
    number = 0
    try:
        with path.open(encoding="ascii") as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007 - told below
                told = json.loads(line)
                parts = (told["body"], told["properties"])
                yield read_original(Original(*(base64.b64decode(b, validate=True) for b in parts)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LetterFileUnusable(
            str(path), f"line {number}: {error}" if number else str(error)
        ) from error


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LetterFileUnusable(str(path), str(error.strerror)) from error

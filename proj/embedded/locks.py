"""Byte-range locks on one file, which the kernel releases the moment their process ends.

They belong to a process, not to a descriptor: a forked child inherits none of them, so a worker
killed while its pool's children live is seen as dead, and a stopped process still holds its own.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

#: The byte that a process holds while it writes; a session holds the byte of its own number.
WRITER = 0


class LockFile:
    """The locks of this process on one lock file.

    There must be one object for each file and process: closing any descriptor of the file would
    release every lock that the process has on it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_hold(self, byte: int) -> bool:
        """Lock ``byte`` and return True, or return False when another process holds it."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def release(self, byte: int) -> None:
        """Unlock ``byte``."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, byte)

    def is_in_place(self) -> bool:
        """Say whether other processes still find this very file."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Release everything; in a forked child, only give up the inherited descriptor."""
        os.close(self._descriptor)

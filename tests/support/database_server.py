"""A database server as a child process on a folder of its own; neither listens on a port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.support.processes import end_group, start_group
from tests.support.waiting import wait_until

__all__ = ["DatabaseServer", "as_owner"]


def as_owner(owner: str, *command: str | Path) -> list[str | Path]:
    """Return ``command`` so that root runs it as ``owner``: the servers refuse to run as root."""
    if os.geteuid():
        return list(command)
    return ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups", *command]


class DatabaseServer:
    """What every server has in common; a context manager."""

    owner: str
    stop_signal: signal.Signals

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="workqueue-db-"))
        if not os.geteuid():
            shutil.chown(self.folder, self.owner, self.owner)
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DatabaseServer:
        try:
            command = as_owner(self.owner, *self._command())
            with (self.folder / "server.log").open("ab") as output:
                self._server = start_group(
                    command, environment=os.environ, folder=self.folder, output=output
                )
            wait_until(self._answers, what=f"{type(self).__name__} takes connections")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        if self._server is not None:
            self._server.send_signal(self.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(10)
            end_group(self._server)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_database(self, name: str) -> dict[str, object]:
        """Make the database ``name``; return its entry of Django's ``DATABASES``."""
        raise NotImplementedError

    def connect(self) -> None:
        """Connect once; raises where the server does not take connections yet."""
        raise NotImplementedError

    def _command(self) -> list[str | Path]:
        raise NotImplementedError

    def _answers(self) -> bool:
        assert self._server is not None
        if self._server.poll() is not None:
            log = (self.folder / "server.log").read_text()
            raise RuntimeError(f"{type(self).__name__} ended:\n{log}")
        try:
            self.connect()
        except Exception:  # noqa: BLE001 - each driver has its own
            return False
        return True

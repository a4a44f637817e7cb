"""A private MariaDB: a folder of its own, a Unix socket, no port."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.support.database_server import DatabaseServer, as_owner

__all__ = ["MariaDB"]


class MariaDB(DatabaseServer):
    """A server of the machine's MariaDB."""

    owner = "mysql"
    stop_signal = signal.SIGTERM

    def _command(self) -> list[str | Path]:
        data = self.folder / "data"
        subprocess.run(
            as_owner(
                self.owner,
                *(_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ),
            check=True,
            capture_output=True,
            cwd=self.folder,
        )
        return [
            *(_program("mariadbd"), "--no-defaults", f"--datadir={data}", "--skip-networking"),
            *(f"--socket={self.socket}", f"--pid-file={self.folder}/pid"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"),
            *("--character-set-server=utf8mb4", "--performance-schema=OFF"),
        ]

    @property
    def socket(self) -> Path:
        """The server's Unix socket."""
        return self.folder / "socket"

    def connect(self) -> None:
        """Connect once; raises where the server does not take connections yet."""
        # Not by PyMySQL, which leaves a socket open where it cannot connect.
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.socket))

    def add_database(self, name: str) -> dict[str, object]:
        """Make the database ``name``; return its entry of Django's ``DATABASES``."""
        self._execute(f"CREATE DATABASE {name}")
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": name,
            "USER": "root",
            "HOST": str(self.socket),
        }

    def _execute(self, statement: str) -> None:
        import pymysql  # noqa: PLC0415 - only where a server is wanted

        connection = pymysql.connect(unix_socket=str(self.socket), user="root")
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if found is None:
        raise RuntimeError(
            "MariaDB is not installed. Debian and Ubuntu: apt-get install mariadb-server; "
            "Fedora: dnf install mariadb-server; macOS: brew install mariadb. "
            "It need not run: private servers are started and stopped."
        )
    return found

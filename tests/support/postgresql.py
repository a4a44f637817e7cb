"""A private PostgreSQL: a folder of its own, a Unix socket, no port."""

from __future__ import annotations

import glob
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.database_server import DatabaseServer, as_owner

__all__ = ["PostgreSQL"]

INITDB = ("/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb")


class PostgreSQL(DatabaseServer):
    """A server of the newest PostgreSQL on this machine."""

    owner = "postgres"
    fsync = "off"  # no test cuts the power
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for the clients

    def _command(self) -> list[str | Path]:
        programs = _programs()
        data = self.folder / "data"
        subprocess.run(
            as_owner(
                self.owner,
                *(programs / "initdb", "--pgdata", data, "--auth=trust", "--username=postgres"),
                *("--no-sync", "--encoding=UTF8", "--locale=C"),
            ),
            check=True,
            capture_output=True,
            cwd=self.folder,
        )
        return [
            *(programs / "postgres", "-D", data, "-k", self.folder),
            *("-c", "listen_addresses=", "-c", f"fsync={self.fsync}", "-c", "shared_buffers=16MB"),
            *("-c", "shared_memory_type=mmap", "-c", "dynamic_shared_memory_type=mmap"),
        ]

    def connect(self) -> None:
        """Connect once; raises where the server does not take connections yet."""
        import psycopg  # noqa: PLC0415 - only where a server is wanted

        psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres").close()

    def add_database(self, name: str) -> dict[str, object]:
        """Make the database ``name``; return its entry of Django's ``DATABASES``."""
        import psycopg  # noqa: PLC0415 - as above

        with psycopg.connect(
            host=str(self.folder), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": "postgres",
            "HOST": str(self.folder),
        }


def _programs() -> Path:
    found = [path for pattern in INITDB for path in sorted(glob.glob(pattern), reverse=True)]
    on_path = shutil.which("initdb")
    if not found and not on_path:
        raise RuntimeError(
            "PostgreSQL is not installed. Debian and Ubuntu: apt-get install postgresql; "
            "Fedora: dnf install postgresql-server; macOS: brew install postgresql. "
            "It need not run: private servers are started and stopped."
        )
    return Path(found[0] if found else str(on_path)).resolve().parent

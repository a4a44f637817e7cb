"""A fresh clone with a project of Docker Compose of its own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from types import TracebackType

from tests.support.image import build_image
from tests.support.ports import free_ports
from tests.support.worker import ROOT

__all__ = ["Composed"]

PORTS = ("AMQP_PORT", "MANAGEMENT_PORT", "PROMETHEUS_PORT", "FLOWER_PORT")


class Composed:
    """The clone in ``folder``, and what its commands start; a context manager that removes it."""

    def __init__(self, folder: Path, files: str = "") -> None:
        self.folder = folder
        self.compose = f"docker compose {files}".strip()
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.environment = {
            **os.environ,
            **{name: str(port) for name, port in self.ports.items()},
            "COMPOSE_PROJECT_NAME": f"workqueue-{secrets.token_hex(4)}",
            "IMAGE": build_image(),
        }

    def __enter__(self) -> Composed:
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.folder / name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.run(f"{self.compose} kill; {self.compose} down --volumes --remove-orphans")

    def run(
        self, command: str, *, timeout_seconds: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Return exit code and output of ``command``, typed into a shell in the clone."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def secret(self, name: str) -> str:
        """Return what ``make env`` wrote for ``name``."""
        found = re.search(rf"^{name}=(.+)$", (self.folder / ".env").read_text(), re.MULTILINE)
        assert found, f"no {name} in .env"
        return found[1]

    def url(self, user: str) -> str:
        """Return the AMQP URL of the composed virtual host for ``user``."""
        password = self.secret(f"{user.upper()}_PASSWORD")
        return f"amqp://{user}:{password}@127.0.0.1:{self.ports['AMQP_PORT']}/work"

    def done(self) -> dict[str, Counter[str]]:
        """Return for each worker container how often it has done each message."""
        done: dict[str, Counter[str]] = {}
        received: dict[str, str] = {}
        for line in self.run(f"{self.compose} logs --no-color worker").stdout.splitlines():
            found = re.match(r"(\S+)\s+\| .*/(\S+)\].*\[x\] (?:Received '(.*)'|Done)$", line)
            if not found:
                continue
            worker, process, body = found.groups()
            if body is not None:
                received[worker + process] = body
            else:
                done.setdefault(worker, Counter())[received[worker + process]] += 1
        return done

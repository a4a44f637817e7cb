"""An example site as a reader starts it, and what its table says of the parcels."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests

from tests.support.ports import free_ports
from tests.support.processes import end_group, start_group
from tests.support.waiting import wait_until
from tests.support.worker import ROOT

__all__ = ["TABLES", "ExampleSite"]

TABLES = {
    "examples.flask_app": ("parcels.db", "parcel"),
    "examples.django_site": ("site.db", "parcels_parcel"),
}
"""Each site's module, and the file and table of its parcels."""


class ExampleSite:
    """``python -m MODULE`` in a folder of its own: Gunicorn with four processes, and a worker."""

    def __init__(self, module: str, folder: Path, broker_url: str | None) -> None:
        (port,) = free_ports(1)
        self.module = module
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **os.environ,
            "ADDRESS": f"127.0.0.1:{port}",
            "SITE_FOLDER": str(folder),
            "WORK_QUEUE_PUBLISH_DEADLINE_SECONDS": "60",
        }
        if broker_url is not None:
            self.environment["CELERY_BROKER_URL"] = broker_url

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start both, wait until pages are served and messages taken, and end both."""
        with (self.folder / "output").open("wb") as output:
            self.process = process = start_group(
                [sys.executable, "-m", self.module],
                environment=self.environment,
                folder=ROOT,
                output=output,
            )
        try:
            wait_until(
                self.log,
                lambda log: " ready." in log and log.count("Booting worker") == 4,
                what=f"{self.module} serves",
                timeout_seconds=60,
            )
            yield
            process.terminate()
            assert process.wait(30) == 0, self.log()
        finally:
            end_group(process)

    def log(self) -> str:
        """Return what server and worker have printed."""
        return (self.folder / "output").read_text(errors="replace")

    def run(self, command: str) -> str:
        """Return what ``command`` prints, run as the site's owner would; raises if it fails."""
        programs = Path(sys.executable).parent
        return subprocess.run(
            shlex.split(command),
            env={**self.environment, "PATH": f"{programs}:{os.environ['PATH']}"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    @contextmanager
    def frozen_worker(self) -> Iterator[None]:
        """Let every process of the worker stand still for a while."""
        assert self.process is not None, "the site does not run"
        pids = [
            pid
            for child in _children(self.process.pid)
            if b"celery" in Path(f"/proc/{child}/cmdline").read_bytes()
            for pid in (child, *_children(child))
        ]
        assert len(pids) == 3, pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def order(self, client: requests.Session, address: str) -> str:
        """Fill in the form as a browser does; return the parcel's page, raise for any other."""
        form = client.get(self.url, timeout=90)
        form.raise_for_status()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
        fields = {"address": address, "csrfmiddlewaretoken": token[1] if token else ""}
        answer = client.post(f"{self.url}/parcels", fields, timeout=90)
        answer.raise_for_status()
        assert answer.url.startswith(f"{self.url}/parcels/"), answer.url
        return str(answer.url)

    def states(self) -> Counter[str]:
        """Return how many parcels are in each state, from the table itself."""
        file, table = TABLES[self.module]
        with closing(sqlite3.connect(self.folder / file, timeout=30)) as database:
            rows = database.execute(f"SELECT state FROM {table}")  # noqa: S608 - the constants above
            return Counter(state for (state,) in rows)


def _children(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(child) for child in children.split()]

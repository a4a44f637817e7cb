"""The project ``tests.support.django_site`` on given databases and a broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.ledger import Ledger
from tests.support.worker import ROOT, Worker

__all__ = ["DjangoProject"]


class DjangoProject:
    """One deployment of the site; ``databases`` are Django's, ``folder`` has logs and ledger."""

    def __init__(
        self, databases: Mapping[str, Mapping[str, object]], broker_url: str, folder: Path
    ) -> None:
        self.broker_url = broker_url
        self.folder = folder
        self.ledger = Ledger(folder)
        self.variables = {
            "DJANGO_SETTINGS_MODULE": "tests.support.django_site.settings",
            "TEST_DATABASES": json.dumps(databases),
            "LEDGER": str(folder),
            "PYTHONWARNINGS": "error",
        }
        for alias in databases:
            self.manage("migrate", "--run-syncdb", "--database", alias)

    def manage(
        self, *arguments: str, broker_url: str | None = None, exit_code: int = 0, **variables: str
    ) -> str:
        """Return what ``manage.py`` printed for ``arguments``; fails with that on another code."""
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            env=self.environment(broker_url, **variables),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == exit_code, (done.returncode, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``manage.py`` with ``arguments``; the caller ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "django", *arguments],
            env=self.environment(None),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )

    def environment(self, broker_url: str | None, **variables: str) -> dict[str, str]:
        """Return the environment of a process of the project, on another broker if so given."""
        url = {"CELERY_BROKER_URL": broker_url or self.broker_url}
        return {**os.environ, **self.variables, **url, **variables}

    def worker(self, name: str, app: str = "proj", **variables: str) -> Worker:
        """Return a worker of the project, not yet started."""
        environment = {**self.variables, "PYTHONWARNINGS": "default", **variables}
        return Worker(name, self.broker_url, self.folder, app=app, environment=environment)

    def outbox(self) -> list[dict[str, object]]:
        """Return the messages in the outbox of the default database."""
        shown = json.loads(self.manage("dumpdata", "work_queue.outboxmessage"))
        return [each["fields"] for each in shown]

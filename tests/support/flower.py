"""``celery -A proj flower`` behind its login, and what its API answers."""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.ports import free_ports
from tests.support.processes import end_group, start_group
from tests.support.waiting import wait_until
from tests.support.worker import ROOT

__all__ = ["Flower", "FlowerAPI"]


class FlowerAPI:
    """Flower at ``url``, asked as its user ``login`` (``user:password``)."""

    def __init__(self, url: str, login: str) -> None:
        self.url = url
        self.login = login

    def get(self, path: str) -> Any:
        """Return the JSON of the answer; raises OSError for any other answer than 200."""
        authorization = "Basic " + base64.b64encode(self.login.encode()).decode()
        request = urllib.request.Request(self.url + path, headers={"Authorization": authorization})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def tasks(self) -> dict[str, str]:
        """Return the arguments of each task that Flower knows -> the task's state."""
        return {task["args"]: task["state"] for task in self.get("/api/tasks").values()}


class Flower:
    """Flower as a child process on a free port; a context manager that ends it."""

    def __init__(self, broker_url: str, folder: Path, **environment: str) -> None:
        (port,) = free_ports(1)
        self.api = FlowerAPI(f"http://127.0.0.1:{port}", "operator:s3cret")
        self.log_file = folder / "flower.log"
        with self.log_file.open("wb") as output:
            self.process = start_group(
                [sys.executable, "-m", "celery", "-A", "proj", "flower", f"--port={port}"],
                environment={
                    **os.environ,
                    "CELERY_BROKER_URL": broker_url,
                    "FLOWER_BASIC_AUTH": self.api.login,
                    **environment,
                },
                folder=ROOT,
                output=output,
            )

    def __enter__(self) -> Flower:
        # Its log tells when it is ready for events; those that come before are lost to it.
        try:
            wait_until(
                self.log_file.read_text, lambda log: "Connected to" in log, what="Flower is up"
            )
        except BaseException:
            end_group(self.process)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end_group(self.process)

"""A queue of its own on the broker under test, a worker of ``settlement_tasks``, and the ledger."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import uuid
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import kombu
from celery import Celery

from proj.dead_letters.letter import Letter
from proj.settings import Settings
from proj.topology.declaring import declare
from tests.support.plain_broker import PlainBroker, begun
from tests.support.plain_embedded import PlainEmbedded
from tests.support.waiting import wait_until
from tests.support.worker import Worker

__all__ = ["Scene"]

APP = "tests.support.settlement_tasks"


class Scene:
    """One work queue with its dead-letter queue; a context manager that deletes both.

    Without a ``url`` they are in a broker file of the scene's own. ``ownership`` is the setting.
    """

    def __init__(self, url: str | None, queue_type: str, ownership: str = "arguments") -> None:
        self.ownership = ownership
        self.type = "quorum" if url is None else queue_type
        self.queue = f"test-{secrets.token_hex(4)}"
        self.folder = Path(tempfile.mkdtemp(prefix="workqueue-settlement-"))
        (self.folder / "results").mkdir()
        self.url = url or f"sqlite:///{self.folder / 'task_queue.db'}"
        plain = PlainBroker if url else PlainEmbedded
        self.broker: Any = plain(self.url, self.queue)
        self.in_file = url is None
        self._stack = ExitStack()

    def __enter__(self) -> Scene:
        with kombu.Connection(self.url) as connection:
            declare(connection, Settings(self.queue, self.ownership, self.type))
        self._stack.enter_context(self.broker)
        return self

    def __exit__(self, *_: object) -> None:
        # The workers first: a queue that is deleted under a worker is another test's subject.
        self._stack.pop_all().close()
        if not self.in_file:
            with PlainBroker(self.url, self.queue) as broker:
                for queue in (self.queue, broker.letters_queue):
                    broker.channel.queue_delete(queue)
        shutil.rmtree(self.folder, ignore_errors=True)

    def worker(
        self,
        name: str = "w",
        *,
        ready: bool = True,
        url: str | None = None,
        log_name: str | None = None,
        app: str = APP,
        **options: Any,
    ) -> Worker:
        """Start a worker; it ends with the scene."""
        environment = {
            "TEST_LEDGER": str(self.folder),
            "TEST_RESULT_BACKEND": f"file://{self.folder}/results",
            "WORK_QUEUE_NAME": self.queue,
            "WORK_QUEUE_TYPE": self.type,
            "WORK_QUEUE_OWNERSHIP": self.ownership,
            **options.pop("environment", {}),
        }
        worker = Worker(
            name, url or self.url, self.folder, app=app, environment=environment, **options
        )
        if log_name:
            worker.log_file = self.folder / f"{log_name}.log"
        self._stack.enter_context(worker)
        return worker.wait_ready() if ready else worker

    def send(self, task: str, *arguments: Any, queue: str | None = None, **headers: Any) -> str:
        """Publish a task message as Celery's protocol 2 has it; return its id."""
        task_id = str(uuid.uuid4())
        body = kombu.serialization.dumps([list(arguments), {}, {}], serializer="json")[2]
        self.broker.send(
            body.encode(),
            routing_key=queue,
            headers={"lang": "py", "task": task, "id": task_id, "root_id": task_id, **headers},
            content_type="application/json",
            content_encoding="utf-8",
            correlation_id=task_id,
            delivery_mode=2,
        )
        return task_id

    def control(self, command: str, **arguments: Any) -> Any:
        """Send a remote control command to every worker, and return their answers."""
        with Celery(broker=self.url, set_as_current=False) as app:
            answers = app.control.broadcast(
                command, arguments=arguments, reply=True, timeout=20, limit=1
            )
        assert answers, f"no worker answers {command!r}"
        return answers

    def begun(self) -> Counter[str]:
        """Return how often each task began."""
        return begun(self.folder)

    def wait_begun(self, name: str, times: int = 1, timeout_seconds: float = 30.0) -> None:
        """Return once a task that writes ``name`` began ``times`` times."""
        wait_until(
            self.begun,
            lambda seen: seen[name] >= times,
            what=f"{name} began {times} times",
            timeout_seconds=timeout_seconds,
        )

    def wait_letters(
        self, count: int = 1, timeout_seconds: float = 40.0
    ) -> list[tuple[Letter, Any, bytes]]:
        """Take dead letters until there are ``count``; return them as letter, properties, body."""
        taken: list[tuple[Letter, Any, bytes]] = []

        def take() -> int:
            taken.extend(self.broker.take_letters())
            return len(taken)

        wait_until(
            take,
            lambda seen: seen >= count,
            what=f"{count} dead letters",
            timeout_seconds=timeout_seconds,
        )
        return taken

    def wait_empty(self, timeout_seconds: float = 30.0) -> None:
        """Return once no message waits in the work queue."""
        wait_until(
            self.broker.waiting,
            lambda count: count == 0,
            what="the work queue is empty",
            timeout_seconds=timeout_seconds,
        )

    def result(self, task_id: str) -> str:
        """Return the state that the result backend has for ``task_id``; empty if none."""
        file = self.folder / "results" / f"celery-task-meta-{task_id}"
        return file.read_text() if file.exists() else ""

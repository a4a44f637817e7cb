"""``workqueue-health``: ready is connected and consuming, alive is a loop that turns."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import WorkerFactory
from tests.support.broker import Broker
from tests.support.embedded_broker import EmbeddedBroker
from tests.support.proxy import Proxy
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.workqueue_command import health, run


def told_of(folder: Path, *options: str) -> dict[str, Any]:
    """Return what the program tells of the only worker, with its exit code."""
    done = health(folder, "--json", *options)
    told = json.loads(done.stdout)
    (worker,) = told["workers"] or [{}]
    return {**worker, "exit_code": done.returncode}


def wait_told(folder: Path, *options: str, **expected: Any) -> dict[str, Any]:
    """Return what is told once it says all that is ``expected``."""
    return wait_until(
        lambda: told_of(folder, *options),
        lambda told: all(told.get(key) == value for key, value in expected.items()),
        what=f"health tells {expected}",
        timeout_seconds=40,
    )


def test_a_worker_is_ready_only_while_it_consumes(
    node: RabbitMQ, broker: Broker, workers: WorkerFactory, tmp_path: Path
) -> None:
    """Without its connection or its queue it is alive, and not ready; then ready by itself."""
    run_folder = tmp_path / "run"
    with Proxy(node.port) as proxy:
        workers(
            "w", proxy.url(broker.url), environment={"WORK_QUEUE_RUNTIME_FOLDER": str(run_folder)}
        )
        ready = wait_told(run_folder, exit_code=0)
        assert (ready["consuming"], ready["reason"]) == (["task_queue"], "consuming task_queue")

        proxy.refuse()
        cut = wait_told(run_folder, alive=True, ready=False, exit_code=1)
        assert (cut["connected"], cut["reason"]) == (False, "no connection to the broker")
        assert told_of(run_folder, "--live")["exit_code"] == 0
        proxy.listen_again()
        wait_told(run_folder, ready=True, exit_code=0)

        with broker.connect() as connection:
            channel = connection.channel()
            channel.queue_delete("task_queue")
            # The worker would declare it again at once: another one has the name.
            channel.queue_declare("task_queue", exclusive=True)
            wait_told(run_folder, alive=True, ready=False, consuming=[], exit_code=1)
        wait_told(run_folder, ready=True, exit_code=0)


@pytest.mark.own_machine
def test_a_worker_that_stands_still_or_is_gone_is_not_alive(
    workers: WorkerFactory, tmp_path: Path
) -> None:
    """SIGSTOP of the main process, then SIGKILL; one that stops as it should leaves no file."""
    run_folder = tmp_path / "run"
    url = EmbeddedBroker(tmp_path / "task_queue.db").url
    environment = {"WORK_QUEUE_RUNTIME_FOLDER": str(run_folder)}
    worker = workers("w", url, environment=environment)
    wait_told(run_folder, alive=True, ready=True, exit_code=0)

    worker.signal(signal.SIGSTOP)
    stopped = wait_told(run_folder, "--live", "--within", "2", alive=False, exit_code=1)
    worker.signal(signal.SIGCONT)
    wait_told(run_folder, "--within", "2", alive=True, ready=True, exit_code=0)
    worker.kill()
    killed = told_of(run_folder, "--live")

    assert "has stood still" in stopped["reason"]
    assert (killed["alive"], killed["exit_code"]) == (False, 1)
    assert "has ended" in killed["reason"]

    again = workers("w", url, environment=environment)
    wait_told(run_folder, ready=True)
    again.signal(signal.SIGTERM)
    assert again.wait_end() == 0
    none = health(run_folder)
    assert none.returncode == 1
    assert f"No worker has left a file in {run_folder}" in none.stderr


@pytest.mark.own_machine
@pytest.mark.parametrize(("option", "exit_code"), [("--help", 0), ("--no-such-option", 2)])
def test_the_command_of_the_group_tells_the_same(option: str, exit_code: int) -> None:
    """``workqueue health`` hands its options over: help and wrong usage are the program's own."""
    done = run("memory://", "health", option)

    assert done.returncode == exit_code
    assert "usage: celery -A proj workqueue health" in done.stdout + done.stderr

"""Dead processes give back at once; living ones, however slow, keep what they hold."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

POOLS = {"prefork": ["-c2"], "solo": ["-P", "solo"], "threads": ["-P", "threads", "-c2"]}


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and prove that the signal ended it."""
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("pool", POOLS)
def test_a_killed_workers_task_starts_elsewhere_within_a_second(
    app: Any, processes: Any, until: Callable[..., Any], tmp_path: Path, pool: str
) -> None:
    """The kernel releases the dead worker's lock, and another worker runs its task, redelivered."""
    victim = processes.worker(*POOLS[pool], name="victim")
    gate = tmp_path / "gate"
    started = tmp_path / "gate.started"
    app.wait_for.delay(str(gate))
    until(started.exists)
    started.unlink()
    processes.worker("-c1", name="other")

    kill(victim)
    killed_at = time.monotonic()
    until(started.exists)

    assert time.monotonic() - killed_at < 1.0
    gate.touch()


def test_a_killed_pool_child_loses_nothing(
    app: Any, processes: Any, until: Callable[..., Any], tmp_path: Path
) -> None:
    """Celery sees its child die and the task runs again."""
    processes.worker("-c1")
    gate, started = tmp_path / "gate", tmp_path / "gate.started"
    app.wait_for.delay(str(gate))
    until(lambda: started.exists() and started.read_text())
    child = int(started.read_text())
    started.unlink()
    os.kill(child, signal.SIGKILL)
    until(lambda: started.exists() and started.read_text())

    assert int(started.read_text()) != child
    gate.touch()


def test_a_stopped_process_is_not_taken_for_dead(
    app: Any, processes: Any, until: Callable[..., Any], tmp_path: Path
) -> None:
    """SIGSTOP is not death: nobody else starts the task, and it ends once after SIGCONT."""
    worker = processes.worker("-P", "solo", name="stopped")
    gate, started = tmp_path / "gate", tmp_path / "gate.started"
    app.wait_for.delay(str(gate))
    until(started.exists)
    started.unlink()
    os.kill(worker.pid, signal.SIGSTOP)
    until(lambda: Path(f"/proc/{worker.pid}/stat").read_text().split()[2] == "T")
    processes.worker("-c1", name="other")
    # What the other does often within this time, it would do to a session it takes for dead.
    app.record.delay("proof that the other works")
    until(processes.done)
    looked_until = time.monotonic() + 2.5
    until(lambda: started.exists() or time.monotonic() > looked_until)
    assert not started.exists()

    os.kill(worker.pid, signal.SIGCONT)
    gate.touch()
    until(lambda: " succeeded in " in processes.output(worker))


def test_what_a_power_loss_leaves_behind_is_harmless(connect: Any, broker_file: Path) -> None:
    """Sessions, lock file and sockets of a machine that went down are cleared by the next start."""
    first = connect()
    channel = first.channel()
    channel.queue_declare("q", durable=True, auto_delete=False)
    channel.basic_publish(channel.prepare_message(b"x"), routing_key="q")
    first.release()
    folder = broker_file.with_name(broker_file.name + "-sessions")
    (folder / "77").touch()
    connection = sqlite3.connect(broker_file)
    with connection:
        connection.execute("INSERT INTO session VALUES (77, 1)")
        connection.execute("INSERT INTO consumer SELECT 77, 1, 't', id FROM queue")
        connection.execute("UPDATE message SET session_id = 77")
        connection.execute("UPDATE broker SET topology = topology + 1")
    connection.close()

    channel = connect().channel()
    counts = channel.queue_declare("q", passive=True)
    assert (counts.message_count, counts.consumer_count) == (1, 0)
    assert channel.basic_get("q").headers["x-delivery-count"] == 1
    assert not (folder / "77").exists()

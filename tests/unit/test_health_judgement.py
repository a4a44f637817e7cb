"""What ``workqueue-health`` makes of a worker's file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from proj.commands.health import health
from proj.health import judge, main, process_started

FACT: dict[str, Any] = {
    "node": "w@host",
    "pid": os.getpid(),
    "process_started": process_started(os.getpid()),
    "turned": 0.0,
    "queue": "task_queue",
    "connected": True,
    "consuming": ["task_queue"],
    "pause": None,
    "stopping": False,
}

PAUSE = {"since": "2026-11-24T10:00:00+00:00", "by": "ada"}


@pytest.mark.parametrize(
    ("changed", "expected", "reason"),
    [
        ({}, (True, True), "consuming task_queue"),
        ({"consuming": [], "pause": PAUSE}, (True, True), f"paused since {PAUSE['since']} by ada"),
        ({"consuming": []}, (True, False), "consuming nothing"),
        ({"connected": False, "consuming": []}, (True, False), "no connection to the broker"),
        ({"stopping": True}, (True, False), "stopping"),
        ({"process_started": "another"}, (False, False), "has ended"),
        ({"turned": -60.0}, (False, False), "has stood still for 60 s"),
    ],
)
def test_the_first_thing_that_is_wrong_is_told(
    changed: dict[str, Any], expected: tuple[bool, bool], reason: str
) -> None:
    """Alive and ready follow from the file, and the reason names what is wrong."""
    fact = {**FACT, **changed}
    fact["turned"] += time.monotonic()

    judged = judge(fact, 20.0)

    assert (judged["alive"], judged["ready"]) == expected
    assert reason in judged["reason"]


def write(folder: Path, **changed: Any) -> None:
    """Write a worker's file as it is now."""
    folder.mkdir(exist_ok=True)
    fact = {**FACT, "turned": time.monotonic(), **changed}
    (folder / f"{fact['node']}.json").write_text(json.dumps(fact))


def test_the_default_folders_of_every_login_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A login has ``XDG_RUNTIME_DIR`` where a service has none; another user's folder is none."""
    monkeypatch.delenv("WORK_QUEUE_RUNTIME_FOLDER", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    write(tmp_path / "celery-workqueue", node="by-login", process_started="another")
    write(tmp_path / f"celery-workqueue-{os.getuid()}", node="by-service")

    assert main(["--node", "by-login"]) == 1
    assert main(["--node", "by-service"]) == 0
    write(tmp_path / f"celery-workqueue-{os.getuid()}", node="by-login")
    assert main(["--node", "by-login"]) == 0
    user = os.getuid() + 1
    (tmp_path / f"celery-workqueue-{os.getuid()}").rename(tmp_path / f"celery-workqueue-{user}")
    monkeypatch.setattr(os, "getuid", lambda: user)
    assert main(["--node", "by-service"]) == 1
    assert "No worker by-service has left a file" in capsys.readouterr().err


def test_a_pause_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its reason is anybody's text."""
    write(tmp_path, node="w@host", pause={"since": "noon", "by": "ada \x1b[31m"})

    assert main(["--folder", str(tmp_path)]) == 0

    assert capsys.readouterr().out == "w@host: ready: paused since noon by ada ?[31m\n"


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({**FACT, "turned": "late"}), "\0"])
def test_a_file_that_cannot_be_read_is_one_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is wrong with it: no traceback, exit code 1, and the others are told too."""
    write(tmp_path, node="well@host")
    (tmp_path / "w@host.json").write_text(text)

    assert main(["--live", "--folder", str(tmp_path)]) == 1

    broken, well = sorted(capsys.readouterr().out.splitlines())
    assert broken.startswith(f"w@host: not readable: {tmp_path}/w@host.json: ")
    assert well == "well@host: ready: consuming task_queue"
    assert main(["--folder", str(tmp_path), "--node", "well@host"]) == 0


def test_the_command_reads_the_folder_of_the_app(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``work_queue_runtime_folder`` is known to the app alone."""
    monkeypatch.delenv("WORK_QUEUE_RUNTIME_FOLDER", raising=False)
    write(tmp_path, node="w@host")
    app = Celery("shop", set_as_current=False)
    app.conf.work_queue_runtime_folder = str(tmp_path)

    with pytest.raises(SystemExit) as ended:
        health.main(["--node", "w@host"], obj=SimpleNamespace(app=app))

    assert ended.value.code == 0
    assert "w@host: ready" in capsys.readouterr().out


def test_it_starts_without_celery() -> None:
    """An orchestrator runs it every few seconds: it loads neither Celery nor Kombu."""
    program = (
        "import proj.health, sys; loaded = {'celery', 'kombu', 'amqp', 'click'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr

"""``dead-letters list`` and ``show``: what an operator sees, and that looking changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import kombu
import pytest

from proj import dead_letters
from proj.dead_letters.reasons import Reason
from tests.support.dead_letters import (
    app_of,
    environment_of,
    put_letter,
    put_letters,
    put_many,
    run,
    taken,
)
from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until
from tests.support.worker import ROOT

pytest_plugins = ["tests.support.settlement_fixtures"]


def test_the_newest_stand_first_with_counts(any_scene: Scene) -> None:
    """Order, fields and counts are what the letters say; the exit code tells that there are any."""
    ids = put_letters(any_scene, 3)
    put_letter(any_scene, "zz", reason=Reason.TIME_LIMIT, task="slow", died_after_seconds=-5)

    done = run(any_scene, "list", "--json", "--limit", "3")

    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert [letter["id"] for letter in told["letters"]] == ids[::-1]
    assert (told["total"], told["selected"]) == (4, 4)
    assert told["by_reason"] == {"failed": 3, "time limit": 1}
    assert told["by_task"] == {"note": 3, "slow": 1}
    letter = told["letters"][0]
    assert letter["age_seconds"] > 0
    assert (letter["reason"], letter["task"], letter["attempts"]) == ("failed", "note", 5)
    assert (letter["exception"], letter["message"]) == ("OSError", "no such file")
    assert (letter["replays"], letter["body_bytes"]) == (0, 19)


def test_no_letters_are_told_with_exit_code_0(any_scene: Scene) -> None:
    """Nothing to do."""
    done = run(any_scene, "list")

    assert (done.returncode, done.stdout) == (0, "No dead letters.\n")


def test_looking_changes_nothing(any_scene: Scene) -> None:
    """30 looks, more than RabbitMQ 4's delivery limit of 20: all there, in order, as they were."""
    ids = put_letters(any_scene, 30)
    app = app_of(any_scene)

    for _ in range(30):
        assert dead_letters.browse(app, limit=2).total == 30

    found = taken(any_scene, any_scene.broker.letters_queue)
    assert [properties.headers["id"] for properties, _ in found] == ids
    if any_scene.in_file:
        assert all("x-delivery-count" not in properties.headers for properties, _ in found)


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        (("--reason", "expired"), {"a"}),
        (("--task", "slow"), {"b"}),
        (("--since", "2026-11-24T09:00:15Z"), {"b", "c"}),
        (("--until", "2026-11-24T09:00:15+00:00"), {"a"}),
        (("--match", "NEEDLE"), {"c"}),
        (("--match", "grüße"), {"b"}),
    ],
)
def test_filters_select(scene: Scene, options: tuple[str, ...], selected: set[str]) -> None:
    """Each filter alone selects what it says."""
    put_letter(scene, "a", reason=Reason.EXPIRED, died_after_seconds=10)
    put_letter(scene, "b", task="slow", died_after_seconds=20, body='[["Grüße"], {}, {}]'.encode())
    put_letter(scene, "c", message="a needle", died_after_seconds=30)

    told = json.loads(run(scene, "list", "--json", *options).stdout)

    assert {letter["id"] for letter in told["letters"]} == selected
    assert (told["total"], told["selected"]) == (3, len(selected))


def test_one_letter_is_shown_in_full(any_scene: Scene) -> None:
    """Arguments, headers, traceback, and the command that replays it, by the start of the id."""
    put_letters(any_scene, 2, headers={"origin": "here"})

    done = run(any_scene, "show", "00000001")

    assert done.returncode == 0, done.stderr
    assert 'args:      ["first"]' in done.stdout
    assert "origin: here" in done.stdout
    assert "Traceback (most recent call last):" in done.stdout
    assert "dead-letters replay 00000001-letter" in done.stdout


def test_the_chain_of_deaths_is_shown(any_scene: Scene) -> None:
    """What the broker itself dead-lettered has no worker's headers, but its own."""
    any_scene.broker.send(b"late", expiration="1", message_id="m-1", delivery_mode=2)
    queue = any_scene.broker.letters_queue
    wait_until(lambda: any_scene.broker.waiting(queue), what="it died")

    done = run(any_scene, "show", "m-1")

    assert f"death:     reason expired, queue {any_scene.queue}, count 1" in done.stdout


def test_an_id_of_no_letter_or_of_several_is_one_line(any_scene: Scene) -> None:
    """Exit code 1, and what to type next."""
    put_letters(any_scene, 2)

    none, several = run(any_scene, "show", "nope"), run(any_scene, "show", "0000")

    assert (none.returncode, several.returncode) == (1, 1)
    assert "No dead letter has an id that begins with 'nope'" in none.stderr
    assert "2 ids begin with '0000': 00000000-letter, 00000001-letter" in several.stderr


def test_bytes_that_nobody_can_decode_are_shown_safely(any_scene: Scene) -> None:
    """No escape sequence of a message reaches the terminal; the id is a hash that stays."""
    put_letter(
        any_scene,
        "\x1b]0;title\x07",
        reason=Reason.UNDECODABLE,
        message="\x1b[2J\u202e",
        body=b"\xff\x1b[31m" + b"x" * 9_000,
    )
    listed = [json.loads(run(any_scene, "list", "--json").stdout)["letters"][0] for _ in range(2)]
    assert listed[0]["id"] == listed[1]["id"]

    done = run(any_scene, "show", listed[0]["id"])

    assert done.returncode == 0, done.stderr
    assert r"b'\xff\x1b[31mxxx" in done.stdout
    assert r"OSError: \x1b[2J\u202e" in done.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout + run(any_scene, "list").stdout)
    assert len(done.stdout) < 6_000


def test_a_long_list_needs_little_memory(any_scene: Scene) -> None:
    """20,000 letters of 4 KiB pass through a process that may not hold the 80 MB they are."""
    count = 20_000
    put_many(any_scene, count, body=b"x" * 4_096)
    queue = any_scene.broker.letters_queue
    wait_until(
        lambda: any_scene.broker.waiting(queue), lambda found: found == count, what="all lie"
    )
    # The highest of this process's own memory: what getrusage tells begins with its parent's.
    program = (
        "import pathlib, re; from proj import app, dead_letters;"
        "found = dead_letters.browse(app, limit=50);"
        "status = pathlib.Path('/proc/self/status').read_text();"
        "print(found.total, len(found.letters), "
        "int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_of(any_scene),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    total, shown, mebibytes = map(int, done.stdout.split())
    assert (total, shown) == (count, 50)
    assert mebibytes < 100
    assert any_scene.broker.waiting(queue) == count


@pytest.mark.own_machine
@pytest.mark.parametrize("any_scene", ["embedded"], indirect=True)  # no broker is reached
def test_a_broker_that_is_not_there_is_one_line(any_scene: Scene) -> None:
    """Exit code 1; no traceback, no password."""
    done = run(any_scene, "list", broker_url="amqp://me:s3cret@127.0.0.1:1//")

    assert done.returncode == 1
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("any_scene", ["quorum", "embedded"], indirect=True)
def test_a_queue_that_is_not_there_yet_says_who_declares_it(any_scene: Scene) -> None:
    """On either broker: a person who looks before the first worker ran knows what to do next."""
    with kombu.Connection(any_scene.url) as connection:
        connection.default_channel.queue_delete(any_scene.broker.letters_queue)

    done = run(any_scene, "list")

    assert done.returncode == 1
    assert "a worker declares both queues as it starts" in done.stderr


@pytest.mark.own_machine
@pytest.mark.parametrize("any_scene", ["embedded"], indirect=True)  # no broker is reached
def test_wrong_usage_has_exit_code_2(any_scene: Scene) -> None:
    """A reason or a time that cannot be."""
    assert run(any_scene, "list", "--reason", "bored").returncode == 2
    assert run(any_scene, "list", "--since", "yesterday").returncode == 2
    assert run(any_scene, "replay").returncode == 2
    assert run(any_scene, "purge").returncode == 2


def test_a_look_that_is_killed_costs_no_letter(any_scene: Scene) -> None:
    """SIGKILL while it holds them: they come back by themselves, in order."""
    ids = put_letters(any_scene, 10)
    program = (
        "import os; from proj import app; from proj.dead_letters.taking import holding\n"
        "with holding(app) as held: next(iter(held)); os.kill(os.getpid(), 9)"
    )

    killed = subprocess.run(
        [sys.executable, "-c", program], env=environment_of(any_scene), cwd=ROOT, check=False
    )

    assert killed.returncode == -9
    queue = any_scene.broker.letters_queue
    wait_until(
        lambda: any_scene.broker.waiting(queue), lambda found: found == 10, what="all are back"
    )
    found = taken(any_scene, queue)
    assert [properties.headers["id"] for properties, _ in found] == ids

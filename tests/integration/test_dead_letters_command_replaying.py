"""``dead-letters replay``: every letter is in the work queue before it leaves the dead letters."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from datetime import datetime, timedelta, timezone

import pytest

from proj.dead_letters.letter import HEADERS
from proj.dead_letters.replaying import BATCH
from tests.support.dead_letters import (
    BODY,
    command,
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


def test_a_replayed_letter_starts_again_as_it_was_published(any_scene: Scene) -> None:
    """Body and properties are the original's; of its death nothing is left but the count."""
    put_letter(any_scene, "one", headers={"retries": 3, "origin": "here"}, priority=1)
    put_letter(any_scene, "other")

    done = run(any_scene, "replay", "one")

    assert done.returncode == 0, done.stderr
    assert f"Replayed 1 dead letters to '{any_scene.queue}'." in done.stdout
    ((properties, body),) = taken(any_scene, any_scene.queue)
    assert body == BODY
    assert not set(HEADERS) & set(properties.headers)
    assert (properties.headers["x-replayed"], properties.headers["retries"]) == (1, 0)
    assert (properties.headers["origin"], properties.priority) == ("here", 1)
    assert properties.delivery_mode == 2
    assert any_scene.broker.waiting(any_scene.broker.letters_queue) == 1


def test_replays_are_counted_and_shown(any_scene: Scene) -> None:
    """A task that dies again and again is seen to."""
    put_letter(any_scene, "one", headers={"x-replayed": 2})

    letter = json.loads(run(any_scene, "list", "--json").stdout)["letters"][0]
    run(any_scene, "replay", "--all")

    ((properties, _),) = taken(any_scene, any_scene.queue)
    assert (letter["replays"], properties.headers["x-replayed"]) == (2, 3)


def test_what_has_expired_does_not_expire_again(any_scene: Scene) -> None:
    """A time that has passed is left out; one that is to come is kept."""
    now = datetime.now(timezone.utc)
    late, early = (now - timedelta(1)).isoformat(), (now + timedelta(1)).isoformat()
    put_letter(any_scene, "late", headers={"expires": late, "x-dead-letter-expiration": "10"})
    put_letter(any_scene, "early", headers={"expires": early})

    run(any_scene, "replay", "--all")

    found = {
        properties.headers["id"]: properties for properties, _ in taken(any_scene, any_scene.queue)
    }
    assert "expires" not in found["late"].headers
    assert getattr(found["late"], "expiration", None) is None
    assert found["early"].headers["expires"] == early


def test_filters_replay_what_they_select_and_the_rest_keeps_its_order(any_scene: Scene) -> None:
    """The others stay, in order."""
    ids = put_letters(any_scene, 10)
    put_letter(any_scene, "slow-1", task="slow")

    done = run(any_scene, "replay", "--task", "slow", "--json")

    assert json.loads(done.stdout) == {"selected": 1, "replayed": 1, "queue": any_scene.queue}
    left = taken(any_scene, any_scene.broker.letters_queue)
    assert [properties.headers["id"] for properties, _ in left] == ids


def test_a_dry_run_changes_nothing(any_scene: Scene) -> None:
    """It only counts."""
    put_letters(any_scene, 3)

    done = run(any_scene, "replay", "--all", "--dry-run")

    assert "3 dead letters would go to" in done.stdout
    assert any_scene.broker.waiting() == 0
    assert any_scene.broker.waiting(any_scene.broker.letters_queue) == 3


def test_letters_stay_where_no_queue_takes_them(any_scene: Scene) -> None:
    """Nothing leaves the dead-letter queue for a queue that does not exist."""
    ids = put_letters(any_scene, 5)

    done = run(any_scene, "replay", "--all", "--to", "nowhere")

    assert done.returncode == 1
    assert "'nowhere'" in done.stderr
    left = taken(any_scene, any_scene.broker.letters_queue)
    assert [properties.headers["id"] for properties, _ in left] == ids


@pytest.mark.own_machine
def test_a_rate_is_kept(any_scene: Scene) -> None:
    """Ten at five a second take two seconds; nobody else waits for those not yet reached."""
    put_letters(any_scene, 10)
    process = subprocess.Popen(
        command("replay", "--all", "--rate", "5"),
        env=environment_of(any_scene),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    wait_until(any_scene.broker.waiting, what="the first is replayed")
    began = time.monotonic()

    assert any_scene.broker.waiting(any_scene.broker.letters_queue) > 0
    assert process.wait(timeout=30) == 0
    assert time.monotonic() - began > 1.0
    assert any_scene.broker.waiting() == 10


def test_an_undecodable_letter_can_be_replayed(any_scene: Scene) -> None:
    """Its bytes go back as they are."""
    put_letter(any_scene, "one", body=b"\xff\x00\x1b")

    run(any_scene, "replay", "one")

    ((_, body),) = taken(any_scene, any_scene.queue)
    assert body == b"\xff\x00\x1b"


def test_a_worker_runs_what_was_replayed(any_scene: Scene) -> None:
    """The letter was a task, and is one again."""
    put_letter(any_scene, "one", body=b'[["again"], {}, {}]')
    run(any_scene, "replay", "one")

    any_scene.worker()

    any_scene.wait_begun("again")


def test_killed_at_seeded_moments_it_loses_nothing_and_running_again_finishes_it(
    any_scene: Scene,
) -> None:
    """SIGKILL: every letter is on one side or the other, at most one batch of each kill on both."""
    count, kills = 3_000, 3
    put_many(any_scene, count)
    letters_queue = any_scene.broker.letters_queue
    chance = random.Random(1)  # noqa: S311 - a seeded run, not a secret
    for _ in range(kills):
        before = any_scene.broker.waiting()
        process = subprocess.Popen(
            command("replay", "--all"),
            env=environment_of(any_scene),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(
            any_scene.broker.waiting,
            lambda now, before=before: now > before,
            what="letters are replayed",
            interval_seconds=0.005,
        )
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the replay had ended before it was killed"
        wait_until(
            lambda: any_scene.broker.waiting() + any_scene.broker.waiting(letters_queue),
            lambda found: found >= count,
            what="what was held is back",
        )

    done = run(any_scene, "replay", "--all")

    assert done.returncode == 0, done.stderr
    ids = [properties.headers["id"] for properties, _ in taken(any_scene, any_scene.queue)]
    assert set(ids) == {f"many-{number}" for number in range(count)}
    assert len(ids) <= count + kills * BATCH
    assert any_scene.broker.waiting(letters_queue) == 0

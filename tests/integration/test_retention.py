"""``work_queue_dead_letters_keep_*``: the oldest go, by age and by number, and no others."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest

from proj.dead_letters import retaining
from proj.dead_letters.browsing import browse
from proj.dead_letters.entry import DeadLetter
from proj.dead_letters.letter import WHEN
from proj.dead_letters.retaining import remove_old
from tests.support.dead_letters import DIED, app_of, put_letter, put_letters
from tests.support.settlement_scene import Scene
from tests.support.waiting import wait_until

pytest_plugins = ["tests.support.settlement_fixtures"]


def ids_of(scene: Scene) -> list[str]:
    """Return the ids of the letters that are there, the oldest first."""
    return [entry.id for entry in reversed(browse(app_of(scene), limit=1000).letters)]


def remove(
    scene: Scene, *, keep_seconds: float | None = None, keep_count: int | None = None
) -> tuple[list[str], float | None]:
    """Remove once; return the ids of the removed, and when the next one is too old."""
    removed: list[DeadLetter] = []
    left = remove_old(
        app_of(scene),
        keep_seconds=keep_seconds,
        keep_count=keep_count,
        at_most=1000,
        on_removed=removed.append,
    )
    return [entry.id for entry in removed], left


def test_several_workers_at_once_remove_no_letter_too_many(any_scene: Scene) -> None:
    """The newest stay, in their order, however many remove at the same time."""
    ids = put_letters(any_scene, 60)
    found: list[str] = []
    starting = threading.Barrier(3)

    def remove_at_once() -> None:
        starting.wait()
        found.extend(remove(any_scene, keep_count=20)[0])

    threads = [threading.Thread(target=remove_at_once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Those that another one found at work have done nothing.
    found += remove(any_scene, keep_count=20)[0]

    assert sorted(found) == ids[:40]
    assert ids_of(any_scene) == ids[40:]


def test_the_oldest_go_wherever_they_stand(any_scene: Scene) -> None:
    """RabbitMQ 3.10 puts what was looked at behind the others; the time of death is what counts."""
    for seconds in (300, 0, 400, 100, 200):
        put_letter(any_scene, f"died-{seconds}", died_after_seconds=seconds)
    age_of_third = (datetime.now(timezone.utc) - DIED).total_seconds() - 200

    by_number, _ = remove(any_scene, keep_count=3)
    by_age, _ = remove(any_scene, keep_seconds=age_of_third)

    assert by_number == ["died-0", "died-100"]
    assert by_age == ["died-200"]
    assert ids_of(any_scene) == ["died-300", "died-400"]


def test_what_is_too_old_goes_and_the_next_one_is_known(
    any_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters died at 0 to 9 s: those of 0 to 3 are too old; the fifth is in due time."""
    ids = put_letters(any_scene, 10)
    # However long this look takes.
    monkeypatch.setattr(retaining, "REST_FACTOR", 0)
    age_of_fourth = (datetime.now(timezone.utc) - DIED).total_seconds() - 3

    removed, left = remove(any_scene, keep_seconds=age_of_fourth)
    again, _ = remove(any_scene, keep_count=10)

    assert removed == ids[:4]
    assert left is not None
    assert left <= 1
    assert again == []
    assert ids_of(any_scene) == ids[4:]


def test_a_letter_from_the_end_of_time_is_kept(any_scene: Scene) -> None:
    """No later time can be told than its own; it is too old in as many seconds as it says."""
    put_letter(any_scene, "a-letter", headers={WHEN: "9999-12-31T23:59:59"})

    removed, left = remove(any_scene, keep_seconds=86_400)

    assert removed == []
    assert left is not None
    assert left > 86_400


def test_a_worker_does_it_and_tells(any_scene: Scene) -> None:
    """It is logged by letter and in number; without the setting all stay."""
    ids = put_letters(any_scene, 4)
    worker = any_scene.worker(environment={"WORK_QUEUE_DEAD_LETTERS_KEEP_COUNT": "3"})

    worker.wait_for_log(r"Retention: 1 old dead letters removed")

    assert f"Retention: removed dead letter {ids[0]}: failed: task note, died 2026" in worker.log()
    wait_until(lambda: ids_of(any_scene), lambda left: left == ids[1:], what="three are left")

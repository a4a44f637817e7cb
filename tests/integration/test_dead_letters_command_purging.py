"""``dead-letters purge``: gone for good, but only what was counted, and only once it is on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proj import dead_letters
from proj.dead_letters import purging
from proj.dead_letters.browsing import seen
from proj.dead_letters.selecting import Selection
from proj.errors import LetterFileUnusable
from tests.support.dead_letters import BODY, app_of, put_letter, put_letters, run, taken
from tests.support.settlement_scene import Scene

pytest_plugins = ["tests.support.settlement_fixtures"]


@pytest.mark.own_machine
def test_the_count_has_to_be_typed(any_scene: Scene) -> None:
    """Any other answer removes nothing."""
    put_letters(any_scene, 3)

    wrong = run(any_scene, "purge", "--all", typed="yes\n")
    left = any_scene.broker.waiting(any_scene.broker.letters_queue)
    right = run(any_scene, "purge", "--all", typed="3\n")

    assert (wrong.returncode, left) == (1, 3)
    assert "nothing was removed" in wrong.stderr
    assert right.returncode == 0, right.stderr
    assert "Removed 3 dead letters." in right.stdout
    assert any_scene.broker.waiting(any_scene.broker.letters_queue) == 0


def test_filters_remove_what_they_select(any_scene: Scene) -> None:
    """The others stay, in order."""
    ids = put_letters(any_scene, 4)
    put_letter(any_scene, "fresh", headers={"x-dead-letter-when": "2999-01-01T00:00:00+00:00"})

    done = run(any_scene, "purge", "--older-than", "0s", "--match", ids[0], "--yes", "--json")

    assert json.loads(done.stdout) == {"removed": 1, "export": None}
    left = taken(any_scene, any_scene.broker.letters_queue)
    assert [properties.headers["id"] for properties, _ in left] == [*ids[1:], "fresh"]


def test_what_died_after_the_count_is_not_removed(any_scene: Scene) -> None:
    """Whoever typed 2 did not mean a third."""
    app = app_of(any_scene)
    put_letters(any_scene, 2)
    counted = seen(app, Selection())
    put_letter(any_scene, "later", died_after_seconds=9)

    removed = dead_letters.purge(app, counted)

    assert (counted.count, removed) == (2, 2)
    assert [letter.id for letter in dead_letters.browse(app).letters] == ["later"]


def test_what_was_exported_comes_back(any_scene: Scene, tmp_path: Path) -> None:
    """The file is its owner's, one JSON object a line; replay --from publishes what is in it."""
    file = tmp_path / "letters.jsonl"
    put_letters(any_scene, 3)

    purged = run(any_scene, "purge", "--all", "--yes", "--export", str(file))
    again = run(any_scene, "replay", "--from", str(file), "--all")

    assert f"They are in {file}." in purged.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["task"] for line in file.read_text().splitlines()] == ["note"] * 3
    assert again.returncode == 0, again.stderr
    found = taken(any_scene, any_scene.queue)
    assert [body for _, body in found] == [BODY] * 3
    assert found[0][0].headers["x-replayed"] == 1


def test_a_file_that_exists_is_not_overwritten(any_scene: Scene, tmp_path: Path) -> None:
    """One line, exit code 1, nothing removed."""
    file = tmp_path / "letters.jsonl"
    file.write_text("precious")
    put_letters(any_scene, 1)

    done = run(any_scene, "purge", "--all", "--yes", "--export", str(file))

    assert done.returncode == 1
    assert "File exists" in done.stderr
    assert file.read_text() == "precious"
    assert any_scene.broker.waiting(any_scene.broker.letters_queue) == 1


def test_nothing_is_removed_before_the_file_is_on_the_disk(
    any_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails at the last moment costs no letter."""
    ids = put_letters(any_scene, 3)

    class FullDisk(purging.LetterFile):
        def sync(self) -> None:
            raise LetterFileUnusable(str(self.path), "No space left on device")

    monkeypatch.setattr(purging, "LetterFile", FullDisk)

    with pytest.raises(LetterFileUnusable, match="No space left"):
        dead_letters.purge(app_of(any_scene), Selection(), export=tmp_path / "letters.jsonl")

    left = taken(any_scene, any_scene.broker.letters_queue)
    assert [properties.headers["id"] for properties, _ in left] == ids


def test_a_file_that_is_none_of_ours_is_refused_before_anything_is_published(
    any_scene: Scene, tmp_path: Path
) -> None:
    """One line, with the line number."""
    file = tmp_path / "letters.jsonl"
    file.write_text('{"body": "AAAA", "properties": "AAA="}\nnot JSON\n')

    done = run(any_scene, "replay", "--from", str(file), "--all")

    assert done.returncode == 1
    assert "line 2" in done.stderr
    assert any_scene.broker.waiting() == 0

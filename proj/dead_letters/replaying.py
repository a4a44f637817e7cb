"""Runs dead letters again: confirmed on the work queue before they leave the dead-letter queue.

Killed at any moment it loses nothing; at most :data:`BATCH` letters are then in both queues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from pathlib import Path

from celery import Celery

from proj.configuration import work_queue_settings
from proj.dead_letters import letter
from proj.dead_letters.browsing import ALL, fixed, seen
from proj.dead_letters.copying import Copies, Copy
from proj.dead_letters.entry import REPLAYED, DeadLetter
from proj.dead_letters.filing import read_file
from proj.dead_letters.selecting import Selection
from proj.dead_letters.taking import holding
from proj.errors import ReplayStopped

__all__ = ["BATCH", "replay", "replay_file"]

BATCH = 100
"""Letters that are published before the first confirm is awaited."""

COPY_TIMEOUT_SECONDS = 30.0

DEATHS = (
    "x-death",
    "x-first-death-reason",
    "x-first-death-queue",
    "x-first-death-exchange",
    "x-last-death-reason",
    "x-last-death-queue",
    "x-last-death-exchange",
)
"""What the broker tells of deaths; by it, it would drop in silence what seems to go round."""


def replay(
    app: Celery,
    selection: Selection = ALL,
    *,
    to: str | None = None,
    letters_per_second: float | None = None,
    on_replayed: Callable[[int], None] = lambda _: None,
) -> int:
    """Publish the dead letters of ``selection`` to the work queue, or ``to`` another; count them.

    Attempts and Celery's retries start again, and no letter expires: its time to live and a time in
    ``expires`` that has passed are left out. ``on_replayed`` is told how many more are done.
    Raises :class:`proj.errors.ReplayStopped`, and what :func:`proj.dead_letters.browse` raises.
    """
    if selection.ids and selection.only is None:
        selection = seen(app, selection)
    with holding(app, slowly=bool(letters_per_second)) as held:
        fitting = ((tag, entry) for tag, entry in held if selection.fits(entry))
        letters = ((entry, partial(held.remove, tag)) for tag, entry in fitting)
        return _publish(app, letters, to, letters_per_second, on_replayed)


def replay_file(
    app: Celery,
    path: Path,
    selection: Selection = ALL,
    *,
    to: str | None = None,
    letters_per_second: float | None = None,
    on_replayed: Callable[[int], None] = lambda _: None,
) -> int:
    """Publish the letters of a file that ``purge`` wrote; as :func:`replay`, the file stays.

    Raises :class:`proj.errors.LetterFileUnusable` too, before anything is published.
    """
    selection = fixed(selection, read_file(path))
    letters = ((entry, lambda: None) for entry in read_file(path) if selection.fits(entry))
    return _publish(app, letters, to, letters_per_second, on_replayed)


def _publish(
    app: Celery,
    letters: Iterator[tuple[DeadLetter, Callable[[], None]]],
    to: str | None,
    letters_per_second: float | None,
    on_replayed: Callable[[int], None],
) -> int:
    """Publish ``letters`` in batches, and settle each whose copy is confirmed; count them."""
    queue = to or work_queue_settings(app).name
    pause_seconds = 1 / letters_per_second if letters_per_second else 0.0
    # At a rate, ten batches in a second or one letter after the other.
    size = max(1, min(BATCH, int((letters_per_second or 10 * BATCH) / 10)))
    done, next_at = 0, time.monotonic()
    with closing(Copies(app.connection_for_write, timeout_seconds=COPY_TIMEOUT_SECONDS)) as copies:
        while batch := list(islice(letters, size)):
            time.sleep(max(0.0, next_at - time.monotonic()))
            next_at = time.monotonic() + pause_seconds * len(batch)
            answers = copies.publish_all([_copy(entry) for entry, _ in batch], queue)
            for (_, settle), refused in zip(batch, answers, strict=True):
                if refused is None:
                    settle()
            confirmed = answers.count(None)
            done += confirmed
            on_replayed(confirmed)
            for refused in filter(None, answers):
                raise ReplayStopped(done, str(refused)) from refused
    return done


def _copy(entry: DeadLetter) -> Copy:
    headers: dict[str, str | int] = {REPLAYED: entry.replays + 1}
    if entry.headers.get("retries"):
        # Celery's own count: at its limit, the first failure would be the last.
        headers["retries"] = 0
    return Copy(entry.original, headers, drop_headers=(*letter.HEADERS, *DEATHS, *_expired(entry)))


def _expired(entry: DeadLetter) -> Iterator[str]:
    """Yield the header ``expires`` where its time has passed: a worker would not run the task."""
    try:
        expires = datetime.fromisoformat(str(entry.headers.get("expires")).replace("Z", "+00:00"))
    except ValueError:
        return
    if expires.replace(tzinfo=expires.tzinfo or timezone.utc) <= datetime.now(timezone.utc):
        yield "expires"

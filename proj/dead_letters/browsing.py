"""Shows dead letters without changing anything: the newest in full, all of them in numbers."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from proj.dead_letters.copying import Original
from proj.dead_letters.entry import DeadLetter, read_message
from proj.dead_letters.selecting import Selection
from proj.dead_letters.taking import connected, holding

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["ALL", "Listing", "browse", "find", "fixed", "seen"]

ALL = Selection()

LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
"""Stands for a time that nobody told."""


@dataclass
class Listing:
    """The newest dead letters of a selection, and how many there are of each kind."""

    letters: list[DeadLetter] = field(default_factory=list)
    """Newest first; without bodies, headers and tracebacks: see :func:`find`."""
    total: int = 0
    """All letters that were seen, also those outside the selection."""
    selected: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    by_task: Counter[str] = field(default_factory=Counter)


def browse(app: Celery, selection: Selection = ALL, *, limit: int = 50) -> Listing:
    """Return the ``limit`` newest dead letters of ``selection``, with counts of all of it.

    Raises :class:`proj.errors.LettersUnreadable`, and for an id of no letter or of several
    :class:`proj.errors.NoSuchLetter` or :class:`proj.errors.AmbiguousLetter`.
    """
    listing = Listing()
    newest: list[tuple[datetime, int, DeadLetter]] = []
    ids = set()
    for entry in _looked_at(app):
        listing.total += 1
        if not selection.fits(entry):
            continue
        listing.selected += 1
        listing.by_reason[entry.letter.reason.value] += 1
        listing.by_task[entry.letter.task or ""] += 1
        if selection.ids:
            ids.add(entry.id)
        # Of two from the same moment, the one behind in the queue is newer.
        kept = (entry.letter.when or LONG_AGO, listing.total, entry)
        if len(newest) < limit:
            heapq.heappush(newest, (*kept[:2], _short(entry)))
        elif newest and kept[:2] > newest[0][:2]:
            heapq.heapreplace(newest, (*kept[:2], _short(entry)))
    selection.full_ids(ids)
    listing.letters = [entry for *_, entry in sorted(newest, reverse=True)]
    return listing


def find(app: Celery, beginning: str) -> list[DeadLetter]:
    """Return in full the letters whose id begins so: all of one id, a task can die repeatedly.

    Raises as :func:`browse`.
    """
    selection = Selection(ids=(beginning,))
    found = [entry for entry in _looked_at(app) if selection.fits(entry)]
    full = selection.full_ids(entry.id for entry in found)
    return [entry for entry in found if entry.id in full]


def seen(app: Celery, selection: Selection) -> Selection:
    """Return ``selection`` fixed to the letters that are there now. Raises as :func:`browse`."""
    return fixed(selection, _looked_at(app))


def fixed(selection: Selection, entries: Iterable[DeadLetter]) -> Selection:
    """Return ``selection`` fixed to those of ``entries`` that fit. Raises for ids as above."""
    keys = [(entry.id, entry.letter.when) for entry in entries if selection.fits(entry)]
    full = selection.full_ids(letter_id for letter_id, _ in keys)
    meant = [key for key in keys if not full or key[0] in full]
    return replace(selection, only=frozenset(meant), count=len(meant))


def _looked_at(app: Celery) -> Iterator[DeadLetter]:
    """Yield each dead letter; the embedded broker shows them without handing them out."""
    if app.connection_for_read().transport.driver_type == "amqp":
        with holding(app) as held:
            for _, entry in held:
                yield entry
    else:
        with connected(app) as (channel, queue):
            yield from map(read_message, channel.browse(queue))


def _short(entry: DeadLetter) -> DeadLetter:
    """Return what a list shows of ``entry``, in little memory."""
    error = replace(entry.letter.error, traceback="")
    return replace(
        entry,
        letter=replace(entry.letter, error=error),
        headers={},
        original=Original(b"", b""),
    )

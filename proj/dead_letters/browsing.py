"""Shows dead letters without changing anything: the newest in full, all of them in numbers."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from celery import Celery

from proj.dead_letters.copying import Original
from proj.dead_letters.entry import DeadLetter
from proj.dead_letters.selecting import Selection
from proj.dead_letters.taking import looked_at

__all__ = ["ALL", "LONG_AGO", "Listing", "browse", "find", "fixed", "seen", "without_texts"]

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
    for entry in looked_at(app):
        listing.total += 1
        if not selection.fits(entry):
            continue
        listing.selected += 1
        listing.by_reason[entry.letter.reason.value] += 1
        listing.by_task[entry.letter.task or ""] += 1
        if selection.ids:
            ids.add(entry.id)
        keep = heapq.heappush if len(newest) < limit else heapq.heappushpop
        # Of two from the same moment, the one behind in the queue is newer.
        keep(newest, (entry.letter.when or LONG_AGO, listing.total, without_texts(entry)))
    selection.full_ids(ids)
    listing.letters = [entry for *_, entry in sorted(newest, reverse=True)]
    return listing


def find(app: Celery, beginning: str) -> list[DeadLetter]:
    """Return in full the letters whose id begins so: all of one id, a task can die repeatedly.

    Raises as :func:`browse`.
    """
    selection = Selection(ids=(beginning,))
    found = [entry for entry in looked_at(app) if selection.fits(entry)]
    full = selection.full_ids(entry.id for entry in found)
    return [entry for entry in found if entry.id in full]


def seen(app: Celery, selection: Selection) -> Selection:
    """Return ``selection`` fixed to the letters that are there now. Raises as :func:`browse`."""
    return fixed(selection, looked_at(app))


def fixed(selection: Selection, entries: Iterable[DeadLetter]) -> Selection:
    """Return ``selection`` fixed to those of ``entries`` that fit. Raises for ids as above."""
    keys = [(entry.id, entry.letter.when) for entry in entries if selection.fits(entry)]
    full = selection.full_ids(letter_id for letter_id, _ in keys)
    meant = [key for key in keys if not full or key[0] in full]
    return replace(selection, only=frozenset(meant), count=len(meant))


def without_texts(entry: DeadLetter) -> DeadLetter:
    """Return what a list shows of ``entry``, in little memory."""
    told = replace(entry.letter, error=replace(entry.letter.error, traceback=""))
    return replace(entry, letter=told, headers={}, original=Original(b"", b""))

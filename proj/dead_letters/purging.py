"""Removes dead letters for good, once the file that was asked for has them on the disk."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from celery import Celery

from proj.dead_letters.browsing import seen
from proj.dead_letters.filing import LetterFile
from proj.dead_letters.selecting import Selection
from proj.dead_letters.taking import holding

__all__ = ["purge"]


def purge(app: Celery, selection: Selection, *, export: Path | None = None) -> int:
    """Remove the dead letters of ``selection``; return how many.

    With ``export`` they are written to that new file first, for
    :func:`proj.dead_letters.replay_file`. Raises :class:`proj.errors.LetterFileUnusable`, and what
    :func:`proj.dead_letters.browse` raises.
    """
    if selection.ids and selection.only is None:
        selection = seen(app, selection)
    with ExitStack() as stack:
        file = stack.enter_context(LetterFile(export)) if export else None
        held = stack.enter_context(holding(app))
        tags = []
        for tag, entry in held:
            if selection.fits(entry):
                tags.append(tag)
                if file:
                    file.write(entry)
        if file:
            file.sync()
        for tag in tags:
            held.remove(tag)
    return len(tags)

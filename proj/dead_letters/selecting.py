"""Which dead letters are meant: by id, reason, task, time and text, all of which must fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from proj.dead_letters import properties
from proj.dead_letters.entry import DeadLetter
from proj.dead_letters.reasons import Reason
from proj.errors import AmbiguousLetter, NoSuchLetter

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection:
    """The dead letters for which every given field holds; without any field, all of them."""

    ids: tuple[str, ...] = ()
    """The beginnings of ids, each of one letter."""
    reason: Reason | None = None
    task: str | None = None
    since: datetime | None = None
    """Died at this time or later (with time zone); a letter of unknown time does not fit."""
    until: datetime | None = None
    """Died before this time (with time zone); a letter of unknown time does not fit."""
    text: str | None = None
    """Found in the id, task, error, traceback or body; large and small letters are alike."""
    only: frozenset[tuple[str, datetime | None]] | None = None
    """Ids and times of death that were seen before: nothing that came since."""
    count: int = 0
    """How many letters ``only`` was made from; equal messages can die in the same second."""

    def fits(self, entry: DeadLetter) -> bool:
        """Say whether ``entry`` is meant."""
        told = entry.letter
        return (
            (not self.ids or any(entry.id.startswith(each) for each in self.ids))
            and self.reason in (None, told.reason)
            and self.task in (None, told.task)
            and (self.since is None or (told.when is not None and told.when >= self.since))
            and (self.until is None or (told.when is not None and told.when < self.until))
            and (self.only is None or (entry.id, told.when) in self.only)
            and (not self.text or self._has_text(entry))
        )

    def full_ids(self, found: Iterable[str]) -> set[str]:
        """Return the ids in ``found`` that the given ones stand for; a whole id means itself alone.

        Raises :class:`proj.errors.NoSuchLetter` or :class:`proj.errors.AmbiguousLetter`.
        """
        known, full = set(found), set()
        for each in self.ids:
            several = {each} & known or {one for one in known if one.startswith(each)}
            if not several:
                raise NoSuchLetter(each)
            if len(several) > 1:
                raise AmbiguousLetter(each, sorted(several))
            full |= several
        return full

    def _has_text(self, entry: DeadLetter) -> bool:
        wanted = (self.text or "").casefold()
        error = entry.letter.error
        texts = (entry.id, entry.letter.task or "", error.exception, error.message, error.traceback)
        body = properties.decode_text(entry.original.body)
        return any(wanted in text.casefold() for text in (*texts, body))

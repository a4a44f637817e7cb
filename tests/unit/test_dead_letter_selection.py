"""Which letters a selection means."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import click
import pytest

from proj.commands.dead_letters.options import Moment
from proj.commands.text import age, safe
from proj.dead_letters import DeadLetter, Reason, Selection
from proj.dead_letters.browsing import fixed
from proj.dead_letters.copying import Original
from proj.dead_letters.letter import ErrorDetails, Letter
from proj.errors import AmbiguousLetter, NoSuchLetter

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


def entry(letter_id: str = "one", when: datetime | None = NOON) -> DeadLetter:
    """Return a letter that died at noon."""
    error = ErrorDetails("OSError", "no such file", "Traceback")
    letter = Letter(Reason.FAILED, "q", "note", error, 1, None, None, when)
    return DeadLetter(letter_id, letter, 0, {}, Original(b"body", b""), 4)


def test_without_a_filter_every_letter_fits() -> None:
    """Nothing is left out."""
    assert Selection().fits(entry())
    assert Selection().fits(entry(when=None))


def test_all_filters_must_fit() -> None:
    """One that does not is enough."""
    good = Selection(("o",), Reason.FAILED, "note", NOON, NOON + timedelta(1), "NO SUCH")

    assert good.fits(entry())
    assert not good.fits(entry("two"))
    assert not Selection(reason=Reason.EXPIRED).fits(entry())
    assert not Selection(task="other").fits(entry())
    assert not Selection(since=NOON + timedelta(1)).fits(entry())
    assert not Selection(until=NOON).fits(entry())
    assert not Selection(text="elsewhere").fits(entry())


def test_a_letter_of_unknown_time_fits_no_time() -> None:
    """Purging what is old must not take what may be new."""
    assert not Selection(until=NOON).fits(entry(when=None))
    assert not Selection(since=NOON).fits(entry(when=None))


def test_the_beginning_of_an_id_is_enough_where_it_is_of_one() -> None:
    """A whole id means itself, even if another begins so."""
    assert Selection(("on", "tw")).full_ids(["one", "two"]) == {"one", "two"}
    assert Selection(("one",)).full_ids(["one", "one-more"]) == {"one"}
    with pytest.raises(AmbiguousLetter, match="one, one-more"):
        Selection(("on",)).full_ids(["one", "one-more"])
    with pytest.raises(NoSuchLetter, match="three"):
        Selection(("three",)).full_ids(["one"])


def test_a_fixed_selection_means_what_was_there() -> None:
    """The same task that died again later is another letter; equal ones are counted each."""
    chosen = fixed(Selection(("one",)), [entry(), entry(), entry("one-more")])

    assert chosen.count == 2
    assert chosen.fits(entry())
    assert not chosen.fits(entry("one-more"))
    assert not chosen.fits(entry(when=NOON + timedelta(1)))


def test_times_are_typed_as_dates_or_ages() -> None:
    """Both have a zone afterwards."""
    moment = Moment()
    ago = datetime.now(timezone.utc) - moment.convert("2h", None, None)

    assert abs(ago - timedelta(hours=2)) < timedelta(minutes=1)
    assert moment.convert("2026-11-24T12:00Z", None, None) == NOON
    assert moment.convert("2026-11-24", None, None).tzinfo is not None
    for wrong in ("yesterday", "9" * 30 + "w", "7"):
        with pytest.raises(click.BadParameter):
            moment.convert(wrong, None, None)


def test_no_text_moves_the_cursor() -> None:
    """Control sequences and marks of direction are escaped, and long text is cut."""
    assert safe("\x1b[2J\u202e\n") == r"\x1b[2J\u202e\n"
    assert safe("a\nb\r", lines=True) == "a\nb\\r"
    assert safe("x" * 9, 3) == "xxx [... 9 characters]"
    assert safe("\ud800") == r"\ud800"


def test_ages_are_told_in_their_largest_unit() -> None:
    """Short enough for a column."""
    now = datetime.now(timezone.utc)

    assert age(now - timedelta(days=3)) == "3d"
    assert age(now - timedelta(minutes=5)) == "5m"
    assert age(now + timedelta(minutes=5)) == "0s"
    assert age(None) == "?"

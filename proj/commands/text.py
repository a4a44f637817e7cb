"""How the commands write on a terminal: nothing in a message can move its cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

__all__ = ["age", "duration", "known", "safe", "table"]

SIZES = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def safe(text: object, longest: int = 2_000, *, lines: bool = False) -> str:
    """Return ``text`` in at most ``longest`` characters, with escapes for what does not print.

    Line ends stay where ``lines`` says so.
    """
    told = str(text)
    shown = "".join(
        each if each.isprintable() or (lines and each == "\n") else _escaped(each)
        for each in told[:longest]
    )
    return shown if len(told) <= longest else f"{shown} [... {len(told):,} characters]"


def known(value: object) -> str:
    """Return ``value`` as text, ``?`` where nobody told it."""
    return "?" if value is None else str(value)


def age(when: datetime | None) -> str:
    """Return how long ago ``when`` was, in its largest unit; ``?`` where nobody told."""
    return "?" if when is None else duration((datetime.now(timezone.utc) - when).total_seconds())


def duration(seconds: float) -> str:
    """Return a number of seconds in its largest unit."""
    for size, unit in SIZES:
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return "0s"


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of ``rows``, the head first, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()

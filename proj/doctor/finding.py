"""One fact that can lose or delay work, and its remedy; the words stand in ``findings.ini``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeAlias

__all__ = ["SEVERITIES", "Facts", "Finding", "catalogue", "finding", "listed"]

SEVERITIES = (
    "can lose work",
    "stops work",
    "can delay or repeat work",
    "can be abused",
    "has no effect",
)
"""What comes of it, the most urgent first."""

Facts: TypeAlias = Iterator[tuple[str, str | bool | None]]
"""Names of findings, each with what was found; nothing was where that is false or empty."""


@dataclass(frozen=True)
class Finding:
    """A fact found; ``name`` is its section on the ``page`` of the documentation."""

    name: str
    severity: str
    fact: str
    why: str
    remedy: str
    page: str


def finding(name: str, found: str, **names: str) -> Finding:
    """Return the finding ``name``, with what was ``found`` in its fact, and names in its remedy."""
    words = dict(catalogue()[name])
    words["fact"] = words["fact"].replace("{}", found)
    for each, value in names.items():
        words["remedy"] = words["remedy"].replace(f"{{{each}}}", value)
    return Finding(name, page=f"docs/doctor.md#{name}", **words)


@cache
def catalogue() -> ConfigParser:
    """Return every finding's words by its name."""
    words = ConfigParser(interpolation=None)
    words.read_string(files(__package__).joinpath("findings.ini").read_text("utf-8"))
    return words


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return ``names`` in one phrase: the first few, and how many others there are."""
    others = len(names) - most
    return ", ".join(names[:most]) + (f" and {others} more" if others > 0 else "")

"""One fact that can lose or delay work, and its remedy; the words stand in ``findings.ini``."""

from __future__ import annotations

from collections.abc import Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["SEVERITIES", "Finding", "catalogue", "finding", "listed"]

SEVERITIES = (
    "can lose work",
    "stops work",
    "can delay or repeat work",
    "can be abused",
    "has no effect",
)
"""What comes of it, the most urgent first."""


@dataclass(frozen=True)
class Finding:
    """A fact found; ``name`` is its section in ``docs/doctor.md``."""

    name: str
    severity: str
    fact: str
    why: str
    remedy: str

    @property
    def page(self) -> str:
        """Where the documentation tells more."""
        return f"docs/doctor.md#{self.name}"


def finding(name: str, found: str, **names: str) -> Finding:
    """Return the finding ``name``, with what was ``found`` in its fact, and names in its remedy."""
    words = catalogue()[name]
    remedy = words["remedy"]
    for each, value in names.items():
        remedy = remedy.replace(f"{{{each}}}", value)
    fact = words["fact"].replace("{}", found)
    return Finding(name, words["severity"], fact, words["why"], remedy)


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

"""A dead letter: why a message did not run to its end, and the message itself, byte for byte.

See them with :func:`browse` and :func:`find`, run them again with :func:`replay` and
:func:`replay_file`, remove them with :func:`purge`; ``app`` is a Celery app with the plug-in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proj.dead_letters.browsing import Listing, browse, find
    from proj.dead_letters.entry import DeadLetter
    from proj.dead_letters.purging import purge
    from proj.dead_letters.reasons import Reason
    from proj.dead_letters.replaying import replay, replay_file
    from proj.dead_letters.selecting import Selection

__all__ = [
    "DeadLetter",
    "Listing",
    "Reason",
    "Selection",
    "browse",
    "find",
    "purge",
    "replay",
    "replay_file",
]

_HOME = {
    "DeadLetter": "entry",
    "Listing": "browsing",
    "Reason": "reasons",
    "Selection": "selecting",
    "browse": "browsing",
    "find": "browsing",
    "purge": "purging",
    "replay": "replaying",
    "replay_file": "replaying",
}


def __getattr__(name: str) -> Any:
    # Loaded when first used: the worker needs none of it, and importing proj opens nothing.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

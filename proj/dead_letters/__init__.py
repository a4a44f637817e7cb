"""A dead letter: why a message did not run to its end, and the message itself, byte for byte.

See them with :func:`browse` and :func:`find`, run them again with :func:`replay` and
:func:`replay_file`, remove them with :func:`purge`; ``app`` is a Celery app with the plug-in.
"""

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

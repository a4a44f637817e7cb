"""The ledger of a chaos run: which messages were accepted, which tasks began, which ended."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

__all__ = ["Ledger"]


class Ledger:
    """Three files that any process may append to; a line is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, what: str, message_id: str) -> None:
        """Append ``message_id`` to the file ``what``: accepted, began or ended."""
        # One write of a short line in append mode is atomic, whoever else writes or is killed.
        descriptor = os.open(self.folder / what, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{message_id}\n".encode())
        os.close(descriptor)

    def count(self, what: str) -> Counter[str]:
        """Return how often each message stands in the file ``what``."""
        path = self.folder / what
        return Counter(path.read_text().split()) if path.exists() else Counter()

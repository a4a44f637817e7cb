"""An app of another team's: its one task writes into the ledger when it begins and when it ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery

from proj import plugin
from tests.support.ledger import Ledger

app = Celery("ledger")
plugin.install(app)
ledger = Ledger(Path(os.environ["LEDGER"]))


@app.task(name="ledger.record")
def record(message_id: str, milliseconds: int) -> None:
    """Take some time over the message, between its two entries in the ledger."""
    ledger.write("began", message_id)
    time.sleep(milliseconds / 1000)
    ledger.write("ended", message_id)

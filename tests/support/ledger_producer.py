"""Publishes until it is told to stop: ``python -m tests.support.ledger_producer NAME SEED``.

A message is entered as accepted once ``apply_async`` has returned. A publish that raises was not
accepted, and is not repeated: the promise says nothing of it.
"""

from __future__ import annotations

import random
import signal
import sys
import time

from proj.errors import WorkQueueError
from tests.support.ledger_app import ledger, record

LONGEST_TASK_MILLISECONDS = 200
PAUSE_SECONDS = 0.02


def main() -> None:
    """Publish one message after the other, with now and then a delay on the broker."""
    name, seed = sys.argv[1:]
    chance = random.Random(f"{name} {seed}")  # noqa: S311 - a seeded run, not a secret
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    number = 0
    while not stopping:
        message_id = f"{name}-{number}"
        countdown = chance.choice([None] * 9 + [2])
        try:
            record.apply_async(
                (message_id, chance.randrange(LONGEST_TASK_MILLISECONDS)), countdown=countdown
            )
        except WorkQueueError as error:
            print(f"{message_id} was not accepted: {error}", flush=True)  # noqa: T201 - the log of this process
        else:
            ledger.write("accepted", message_id)
        number += 1
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()

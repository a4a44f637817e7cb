"""Keeps two producers running: forks another for each that is killed.

Each child publishes tasks one by one, and notes a name after its task was accepted.
"""

from __future__ import annotations

import os
import time

from embedded_app import record


def produce(number: int) -> None:
    """Publish until killed, or until the file STOP exists."""
    accepted = os.open(f"{os.environ['LEDGER']}-accepted", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    count = 0
    while not os.path.exists(f"{os.environ['LEDGER']}-stop"):  # noqa: PTH110  cheaper
        name = f"p{number}-{count}"
        record.delay(name)
        os.write(accepted, f"{name}\n".encode())
        count += 1
        time.sleep(0.01)


def main() -> None:
    """Replace producers as they die."""
    living: set[int] = set()
    number = 0
    stop = f"{os.environ['LEDGER']}-stop"
    while living or not os.path.exists(stop):  # noqa: PTH110
        while len(living) < 2 and not os.path.exists(stop):  # noqa: PTH110
            number += 1
            child = os.fork()
            if not child:
                produce(number)
                os._exit(0)
            living.add(child)
        if living:
            living.discard(os.wait()[0])


if __name__ == "__main__":
    main()

"""Publish in a process of one's own: ``python -m benchmarks.peers.publishing MODULE HOW COUNT``.

HOW is ``one`` (one by one), ``many`` (a batch), or a number: so many messages a second. Prints the
seconds taken, without what the first 20 messages took to open connections.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module


def main(module_name: str, how: str, count: int) -> None:
    """Publish ``count`` messages and print the seconds."""
    module = import_module(f"benchmarks.peers.contenders.{module_name}")
    publish = module.publish_many if how == "many" else module.publish
    publish(20)
    began = time.perf_counter()
    if how in ("one", "many"):
        publish(count)
    else:
        for number in range(count):
            time.sleep(max(0.0, began + number / float(how) - time.perf_counter()))
            publish(1)
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

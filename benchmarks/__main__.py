"""Takes every figure of docs/performance.md, and draws it: ``python -m benchmarks``.

Some 18 minutes on two quiet cores; what is measured in a container needs a Docker engine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

PEERS = ["-m", "benchmarks.peers"]
CELERYS = [word for name in ("pika", "celery", "work queue") for word in ("--contender", name)]
PARTS: dict[str, list[str]] = {
    "publish": ["benchmarks/publishing.py", "--count", "10000"],
    "drain": [*PEERS, "drain"],
    "classic": [*PEERS, "drain", "--queue-type", "classic"],
    "latency": [*PEERS, "latency", *CELERYS],
    "start": [*PEERS, "start", "command", *CELERYS[2:]],
    "growth": [*PEERS, "growth", "--contender", "pika", *CELERYS[4:]],
    "embedded": ["benchmarks/embedded.py", "--folder", tempfile.gettempdir(), "--count", "3000"],
    "container": [*PEERS, "drain", *CELERYS],
}
"""Each part's command, of five rounds; a later ``--rounds`` or ``--count`` counts."""
EMBEDDED_PEERS = ["--only", "embedded", "potatoq-durable", "potatoq"]
"""Kombu's own transport on SQLite would take as long as all the rest."""


def main() -> None:
    """Run the parts, one after the other: they share the machine, which nobody else should use."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; else all")
    parser.add_argument("--charts", type=Path, default=ROOT / "docs" / "charts")
    parser.add_argument("--trial", action="store_true", help="one round of little, to see it works")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    for name in options.parts or PARTS:
        command = [sys.executable, *PARTS[name], "--charts", str(options.charts.resolve())]
        if options.trial:
            command += ["--rounds", "1", "--count", "300"]
        if name == "embedded":
            command += EMBEDDED_PEERS
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        if name == "container":
            environment["TEST_RABBITMQ"] = "container"
        print(f"\n=== {name}: {' '.join(command[1:])}", flush=True)
        began = time.monotonic()
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        print(f"=== {name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()

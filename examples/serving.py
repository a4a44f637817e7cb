"""Runs a site's web server and its worker side by side, until Ctrl-C or until one of them ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

__all__ = ["serve"]


def serve(wsgi: str, celery_app: str) -> int:
    """Serve ``wsgi`` by Gunicorn with four processes; return the first exit code that came."""
    address = os.environ.get("ADDRESS", "127.0.0.1:5000")
    programs = (
        f"celery -A {celery_app} worker --concurrency 2 --loglevel INFO",
        f"gunicorn --workers 4 --timeout 90 --no-control-socket --bind {address} {wsgi}",
    )
    children = [subprocess.Popen([sys.executable, "-m", *each.split()]) for each in programs]
    print(f"\nOpen http://{address}; Ctrl-C ends it.\n", flush=True)

    told = False

    def on_signal(number: int, _: FrameType | None) -> None:
        nonlocal told
        told = True
        # A Ctrl-C reaches the children too; told twice, a worker would not let its tasks end.
        if number != signal.SIGINT:
            stop()

    def stop() -> None:
        for child in children:
            child.terminate()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    pid, status = os.wait()
    if not told:
        stop()
    for child in children:
        if child.pid != pid:
            child.wait()
    return os.waitstatus_to_exitcode(status)

"""Whether a worker is alive and ready: it keeps the fact in a file, and this reads it.

Run as ``workqueue-health``. It imports neither Celery nor this package's other modules, so that an
orchestrator may run it every few seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["file_of", "judge", "main", "process_started", "runtime_folder"]

WITHIN_SECONDS = 20.0
"""How old the last turn of the loop may be; connecting to a broker that is away takes seconds."""

TOLD = ("node", "pid", "queue", "connected", "consuming", "pause", "stopping")
"""The keys of a worker's file that ``--json`` shows as they are."""


def judge(fact: Mapping[str, Any], within_seconds: float) -> dict[str, Any]:
    """Return ``fact``, ``alive``, ``ready``, and the ``reason``: the first thing that is wrong."""
    ago = max(0.0, time.monotonic() - fact["turned"])
    process, pause = f"process {fact['pid']}", fact["pause"]
    alive = ready = False
    if process_started(fact["pid"]) != fact["process_started"]:
        reason = f"{process} has ended; its worker did not stop by itself"
    elif ago > within_seconds:
        reason = f"the loop of {process} has stood still for {ago:.0f} s"
    else:
        alive = True
        ready = fact["connected"] and not fact["stopping"] and bool(pause or fact["consuming"])
        if fact["stopping"]:
            reason = "stopping"
        elif not fact["connected"]:
            reason = "no connection to the broker"
        elif pause:
            reason = f"paused since {pause['since'] or '?'} by {pause['by'] or '?'}"
        else:
            reason = f"consuming {', '.join(fact['consuming']) or 'nothing'}"
    judged = {"alive": alive, "ready": ready, "reason": reason, "turned_seconds_ago": round(ago, 3)}
    return {key: fact[key] for key in TOLD} | judged


def main(
    arguments: Sequence[str] | None = None,
    program: str = "workqueue-health",
    folder: str | None = None,
) -> int:
    """Print a line for each worker of this host; return 0 if all are well, else 1.

    ``folder`` is the app's own, where somebody has asked who knows the app.
    """
    import argparse  # noqa: PLC0415 - large, and the worker imports this module

    parser = argparse.ArgumentParser(
        prog=program,
        description="Tell whether the workers of this host are ready: connected and consuming, or "
        "paused on purpose. Exit code 0: all of them; 1: one is not, or there is none.",
        epilog=f"Example: {program} --live --node celery@worker-1",
    )
    add = parser.add_argument
    add("--live", action="store_true", help="alive is enough: the loop turns")
    add("--ready", action="store_true", help="ready, too (what is asked anyway)")
    add("--node", help="this worker only, as `celery worker -n` names it")
    within = "how old the loop's last turn may be, in seconds (default %(default).0f)"
    add("--within", type=float, default=WITHIN_SECONDS, metavar="SECONDS", help=within)
    add("--folder", help="where the workers' files are (work_queue_runtime_folder)")
    add("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    chosen = options.folder or folder or os.environ.get("WORK_QUEUE_RUNTIME_FOLDER")
    folders = [chosen] if chosen else _default_folders()
    found = _judged(folders, options.node, options.within)
    asked = "alive" if options.live and not options.ready else "ready"
    well = bool(found) and all(each[asked] for each in found)
    if options.json:
        _show(json.dumps({"well": well, "workers": found}))
    elif found:
        _show("\n".join(f"{each['node']}: {_state(each)}: {each['reason']}" for each in found))
    else:
        print(
            f"No worker{' ' + options.node if options.node else ''} has left a file in "
            f"{', '.join(folders) or runtime_folder()}. "
            f"Start one, or name its folder by WORK_QUEUE_RUNTIME_FOLDER or --folder.",
            file=sys.stderr,
        )
    return not well


def runtime_folder() -> str:
    """Return where workers keep their files unless a setting says otherwise: this user's own."""
    run = os.environ.get("XDG_RUNTIME_DIR")
    if run and os.path.isdir(run):  # noqa: PTH112 - pathlib costs a third of the time
        return f"{run}/celery-workqueue"
    return _temporary_folder(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108 - of this user alone, see proj.worker.health


def file_of(folder: str, node: str) -> str:
    """Return the path of the file of the worker ``node``."""
    return f"{folder}/{node.replace('/', '_')}.json"


def process_started(pid: int) -> str | None:
    """Return what tells this process from a later one of the same number; None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - as above
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        pass
    try:  # not Linux, or ended
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return None
    return "running"


def _show(text: str) -> None:
    try:
        # Whoever paused has said why, in characters that must not move a terminal's cursor.
        print(
            "".join(each if each.isprintable() or each == "\n" else "?" for each in text),
            flush=True,
        )
    except BrokenPipeError:  # a reader such as `head` has had enough; the exit code still tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _state(judged: Mapping[str, Any]) -> str:
    if judged["pid"] is None:
        return "not readable"
    return "ready" if judged["ready"] else "alive, not ready" if judged["alive"] else "not alive"


def _default_folders() -> list[str]:
    """Return this user's folders: a login, a service and ``su`` differ in their environment."""
    folders = (
        runtime_folder(),
        f"/run/user/{os.getuid()}/celery-workqueue",
        _temporary_folder(os.environ.get("TMPDIR", "/tmp")),  # noqa: S108 - of this user alone
        _temporary_folder("/tmp"),  # noqa: S108 - as above
    )
    return [each for each in dict.fromkeys(folders) if _is_own(each)]


def _temporary_folder(within: str) -> str:
    return f"{within.rstrip('/')}/celery-workqueue-{os.getuid()}"


def _is_own(path: str) -> bool:
    try:
        return os.lstat(path).st_uid == os.getuid()
    except OSError:
        return False


def _judged(
    folders: Sequence[str], node: str | None, within_seconds: float
) -> list[dict[str, Any]]:
    found = []
    for path in _files(folders):
        try:
            with open(path) as file:  # noqa: PTH123 - as above
                told = judge(json.load(file), within_seconds)
        except FileNotFoundError:
            continue  # it has stopped just now
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError) as error:
            told = {**dict.fromkeys((*TOLD, "turned_seconds_ago")), "alive": False, "ready": False}
            told["node"] = path.rpartition("/")[2].removesuffix(".json")
            told["reason"] = f"{path}: {type(error).__name__}: {error}"
        if node is None or told["node"] in (node, node.replace("/", "_")):
            found.append(told)
    # One that was killed leaves its file; the next of its name may have had another folder.
    living = {each["node"] for each in found if each["alive"]}
    return [each for each in found if each["alive"] or each["node"] not in living]


def _files(folders: Sequence[str]) -> Iterator[str]:
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - as above
        except OSError:
            continue
        yield from (f"{folder}/{name}" for name in names if name.endswith(".json"))


if __name__ == "__main__":
    sys.exit(main())

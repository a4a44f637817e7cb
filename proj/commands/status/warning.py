"""What in a snapshot needs a person, each with what to type next."""

from __future__ import annotations

from collections.abc import Iterator

from proj.commands.status.snapshot import Snapshot

__all__ = ["warnings_of"]

NEARLY = 0.8
"""The part of a queue's length from which on it is nearly full."""


def warnings_of(found: Snapshot) -> list[dict[str, str]]:
    """Return the warnings as ``kind`` (a closed list) and ``text``."""
    warnings = (*_of_broker(found), *_of_queues(found), *_of_workers(found))
    return [{"kind": kind, "text": text} for kind, text in warnings]


def _of_broker(found: Snapshot) -> Iterator[tuple[str, str]]:
    if found.problem:
        yield "management", found.problem
    if found.pause:
        yield "paused", f"Paused {found.pause}. To go on: workqueue resume"


def _of_queues(found: Snapshot) -> Iterator[tuple[str, str]]:
    work, letters = found.work, found.dead_letters
    if work.ready is None:
        yield "no queue", f"There is no queue {work.name!r}: a worker declares it as it starts."
        return
    if not work.consumers and not found.pause:
        yield "no consumer", f"Nothing consumes, {work.ready} messages wait: start a worker."
    if work.consumers and not found.all_answered:
        silent = f"{work.consumers - found.answered} of {work.consumers} consumers did not answer"
        hangs = "a worker that hangs (on its host: workqueue-health)"
        alarm = "a broker in alarm (workqueue doctor)"
        yield "silent", f"{silent}: {hangs}, {alarm}, or a client that is not ours."
    if found.kept:
        full = f"{letters.name} is full or gone, and takes no copy of them"
        remedy = "Make room in it, or: workqueue doctor --fix"
        yield "kept", f"Kept in the workers: {found.kept} messages; {full}. {remedy}"
    if letters.ready:
        grown = f" ({found.dead_letters_grown} more just now)" * (found.dead_letters_grown > 0)
        see = "See: workqueue dead-letters list"
        yield "dead letters", f"Dead letters: {letters.ready}{grown}. {see}"
    if work.most and work.ready >= NEARLY * work.most:
        full = f"{work.ready} of at most {work.most} messages"
        yield "nearly full", f"{full}: start more workers, or raise max-length."


def _of_workers(found: Snapshot) -> Iterator[tuple[str, str]]:
    for node, told in found.workers.items():
        if not told["consuming"] and not told["paused"]:
            yield "not consuming", f"{node} consumes nothing: see its log."
        for process in told["processes"]:
            if (process["attempt"] or 0) > 1:
                # A worker of an earlier release does not tell the limit.
                limit = process.get("attempts_limit")
                times = f"{process['attempt']}" + (f" of {limit}" if limit else "")
                text = f"Task {process['id']} is at attempt {times}: see in the workers' logs why."
                yield "again", text

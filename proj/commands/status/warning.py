"""What in a snapshot needs a person, each with what to type next."""

from __future__ import annotations

from collections.abc import Iterator

from proj.commands.status.snapshot import Snapshot

__all__ = ["warnings_of"]

NEARLY = 0.8
"""The part of a queue's length from which on it is nearly full."""


def warnings_of(found: Snapshot, attempts_limit: int) -> list[dict[str, str]]:
    """Return the warnings as ``kind`` (a closed list) and ``text``."""
    return [{"kind": kind, "text": text} for kind, text in _warnings(found, attempts_limit)]


def _warnings(found: Snapshot, attempts_limit: int) -> Iterator[tuple[str, str]]:
    if found.problem:
        yield "management", found.problem
    if found.pause:
        since, by = found.pause.since or "?", found.pause.by or "?"
        yield "paused", f"Paused since {since} by {by}. To go on: workqueue resume"
    yield from _of_queues(found)
    for node, told in found.workers.items():
        if not told["consuming"] and not told["paused"]:
            yield "not consuming", f"{node} consumes nothing: see its log."
        for process in told["processes"]:
            if (process["attempt"] or 0) > 1:
                times = f"{process['attempt']} of {attempts_limit}"
                text = f"Task {process['id']} is at attempt {times}: see in the workers' logs why."
                yield "again", text


def _of_queues(found: Snapshot) -> Iterator[tuple[str, str]]:
    work, letters = found.work, found.dead_letters
    if work.ready is None:
        yield "no queue", f"There is no queue {work.name!r}: a worker declares it as it starts."
        return
    if not work.consumers and not found.pause:
        yield "no consumer", f"Nothing consumes, {work.ready} messages wait: start a worker."
    if work.consumers and not found.all_answered:
        silent = work.consumers - found.answered
        text = f"{silent} of {work.consumers} consumers did not answer: a worker that hangs (on "
        text += "its host: workqueue-health), a broker in alarm (workqueue doctor), or a client "
        yield "silent", f"{text}that is not ours."
    if letters.ready:
        grown = f" ({found.dead_letters_grown} more just now)" * (found.dead_letters_grown > 0)
        yield (
            "dead letters",
            f"Dead letters: {letters.ready}{grown}. See: workqueue dead-letters list",
        )
    if work.most and work.ready >= NEARLY * work.most:
        text = f"{work.ready} of at most {work.most} messages"
        yield "nearly full", f"{text}: start more workers, or raise max-length."

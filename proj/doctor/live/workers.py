"""What the running workers tell of themselves."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import closing, suppress
from typing import Any

from celery.events.receiver import EventReceiver

from proj.doctor.finding import listed
from proj.doctor.live.reached import Reached
from proj.doctor.static.tasks import sent_by_name

LISTENING_SECONDS = 2.0
"""How long heartbeats are waited for, which the workers are asked to send at once."""

ANSWER_SECONDS = 1.0

MOST_SKEW_SECONDS = 5.0


def node_name_twice(reached: Reached) -> str:
    processes: dict[str, set[Any]] = defaultdict(set)
    for event, _ in _heartbeats(reached):
        processes[str(event.get("hostname"))].add(event.get("pid"))
    return listed([repr(name) for name, ids in sorted(processes.items()) if len(ids) > 1])


def clock_skew(reached: Reached) -> str:
    heard = _heartbeats(reached)
    skew = {str(each.get("hostname")): each.get("timestamp", came) - came for each, came in heard}
    wrong = [each for each in sorted(skew.items()) if abs(each[1]) > MOST_SKEW_SECONDS]
    return listed([f"{name} ({seconds:+.0f} s)" for name, seconds in wrong])


def worker_holds_too_many(reached: Reached) -> list[str]:
    found = []
    for name, told in sorted(_answers(reached, "stats").items()):
        pool, scaling = told.get("pool") or {}, told.get("autoscaler")
        processes = len(pool.get("processes") or ()) or pool.get("max-concurrency") or 1
        prefetch = told.get("prefetch_count")
        if scaling:
            how = f"scales to {scaling['max']} processes, and now"
        elif isinstance(prefetch, int) and prefetch > processes:
            how = f"has {processes} processes, and"
        else:
            continue
        found.append(f"{name} {how} takes up to {prefetch}")
    return found


def task_not_in_workers(reached: Reached) -> str | None:
    answers = _answers(reached, "registered")
    # Each line is a name, with the task's rate limit behind it.
    known = {line.partition(" ")[0] for lines in answers.values() for line in lines}
    wanted = {*reached.examined.tasks, *sent_by_name(reached.examined)}
    unknown = sorted(wanted - known) if answers else []
    return f"None of {len(answers)} workers knows {listed(unknown)}" if unknown else None


class Receiver(EventReceiver):
    """Celery's, which leaves times as they were sent."""

    def event_from_message(self, body: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """Return type and event; Celery would shift the time by time zones."""
        return body["type"], body


def _heartbeats(reached: Reached) -> list[tuple[dict[str, Any], float]]:
    if reached.heartbeats is None:
        app, came = reached.examined.app, []
        handlers = {"worker-heartbeat": lambda event: came.append((event, time.time()))}
        until = time.monotonic() + LISTENING_SECONDS
        with app.connection_for_read() as connection, suppress(TimeoutError):
            receiver = Receiver(connection, app=app, handlers=handlers)
            # Its own timeout begins anew with every event, of which busy workers send many.
            with closing(receiver.itercapture(timeout=LISTENING_SECONDS)) as events:
                while time.monotonic() < until:
                    next(events)
        reached.heartbeats = came
    return reached.heartbeats


def _answers(reached: Reached, command: str) -> dict[str, Any]:
    """Return what each worker answers to a remote control command, by its name."""
    told = reached.examined.app.control.broadcast(command, reply=True, timeout=ANSWER_SECONDS)
    return {name: answer for each in told or () for name, answer in each.items()}

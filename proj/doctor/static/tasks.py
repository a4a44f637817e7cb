"""Whether the tasks that are called exist, and have what they need."""

from __future__ import annotations

from celery.exceptions import ImproperlyConfigured

from proj.doctor.examined import Examined
from proj.doctor.finding import listed
from proj.doctor.sources import calls_of
from proj.settings import Settings

__all__ = ["sent_by_name"]


def task_module_broken(examined: Examined) -> str | None:
    return examined.import_error


def task_unknown(examined: Examined) -> str | None:
    sent = sent_by_name(examined).items()
    known = examined.app.tasks
    return listed([f"{name!r} ({where})" for name, where in sent if name not in known])


def chord_without_backend(examined: Examined) -> str | None:
    chords = calls_of(examined).chords
    try:
        if chords:
            examined.app.backend.ensure_chords_allowed()
    except (NotImplementedError, ImproperlyConfigured, ImportError):
        return listed(chords)
    return None


def sent_by_name(examined: Examined) -> dict[str, str]:
    """Return the names by which tasks are sent, each with where that stands."""
    found = {
        str(entry["task"]): f"beat_schedule, {key!r}"
        for key, entry in (examined.conf.beat_schedule or {}).items()
        if isinstance(entry, dict) and "task" in entry
    }
    plain = examined.settings.plain_message_task
    # The default names a task of this repository, which another app need not have.
    if plain and plain != Settings().plain_message_task:
        found[plain] = "work_queue_plain_message_task"
    return found | calls_of(examined).sent

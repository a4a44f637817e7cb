"""A limit of memory that the kernel keeps by killing: a control group of its own.

https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_until

__all__ = ["MemoryLimit", "can_limit_memory"]


@dataclass(frozen=True)
class Layout:
    """Where a version of control groups has what is needed here."""

    root: Path
    limits: tuple[str, ...]
    """The files that limit memory, and memory with swap."""
    events: str
    """The file that counts the kills, in a line ``oom_kill N``."""


LAYOUTS = (
    Layout(
        Path("/sys/fs/cgroup/memory"),
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
        "memory.oom_control",
    ),
    Layout(Path("/sys/fs/cgroup"), ("memory.max",), "memory.events"),
)


def can_limit_memory() -> bool:
    """Return whether this user may make a control group that limits memory."""
    return _layout() is not None


class MemoryLimit:
    """What the processes in it take from now on is limited; a context manager."""

    def __init__(self, megabytes: int) -> None:
        layout = _layout()
        assert layout, "no control group limits memory here"
        self.layout = layout
        self.bytes = megabytes * 1024 * 1024
        self.folder = layout.root / f"workqueue-{secrets.token_hex(4)}"

    def __enter__(self) -> MemoryLimit:
        self.folder.mkdir()
        for name in self.layout.limits:
            if (self.folder / name).exists():
                (self.folder / name).write_text(str(self.bytes))
        return self

    def __exit__(self, *_: object) -> None:
        members = self.folder / "cgroup.procs"
        for pid in members.read_text().split():
            (self.layout.root / "cgroup.procs").write_text(pid)
        wait_until(lambda: not members.read_text(), what="the control group is empty")
        self.folder.rmdir()

    def add(self, pid: int) -> None:
        """Limit the process from now on."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def kills(self) -> int:
        """Return how many processes the kernel has killed for this limit."""
        lines = (self.folder / self.layout.events).read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])


def _layout() -> Layout | None:
    for layout in LAYOUTS:
        if not os.access(layout.root, os.W_OK):
            continue
        enabled = layout.root / "cgroup.subtree_control"
        if (layout.root / layout.limits[0]).exists():
            return layout
        if enabled.exists() and "memory" in enabled.read_text().split():
            return layout
    return None

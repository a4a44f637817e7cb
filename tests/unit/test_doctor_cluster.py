"""What ``doctor`` finds in what the management API tells of nodes, queues and disks."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proj.broker.management import Management
from proj.doctor.examined import Examined
from proj.doctor.live.cluster import dead_letters_dropped, members_missing, node_down, room_short
from proj.doctor.live.reached import Reached
from tests.support.doctor_scene import app_with, looking

NODE = {
    "name": "rabbit@one",
    "running": True,
    "partitions": [],
    "disk_free": 50_000,
    "disk_free_limit": 10_000,
    "mem_used": 100,
    "mem_limit": 1_000,
}
"""A node of which nothing is found, as ``GET /api/nodes`` shows it; others differ from it."""

MEMBERS = ["rabbit@one", "rabbit@two", "rabbit@three"]


class Told:
    """Answers as the API does."""

    def __init__(self, nodes: list[dict[str, Any]], queues: dict[str, Any]) -> None:
        self.nodes = nodes
        self.queues = queues

    def get(self, path: str) -> Any:
        """Return the nodes; nothing else is asked for by path."""
        return {"/nodes": self.nodes}[path]

    def queue(self, name: str) -> Any:
        """Return a queue by name."""
        return self.queues.get(name)


def reached(*nodes: dict[str, Any], version: tuple[int, ...] = (4, 3), **queue: Any) -> Reached:
    """Return a broker with these nodes, whose two queues both are ``queue``."""
    examined = Examined(app_with())
    examined.version = version
    told = {"type": "quorum", "arguments": {}, "effective_policy_definition": {}, **queue}
    names = ("task_queue", "task_queue.dead_letters")
    found = Reached(examined, connection=None)
    found.management = cast(
        "Management", Told([{**NODE, **each} for each in nodes], dict.fromkeys(names, told))
    )
    return found


def three() -> list[dict[str, Any]]:
    """Return the nodes of a cluster."""
    return [{"name": name} for name in MEMBERS]


def test_a_node_that_is_down_or_cut_off_is_found() -> None:
    """Each by its name; a cluster whose nodes run has none."""
    assert node_down(reached(*three())) == []
    assert node_down(reached({"running": False})) == ["rabbit@one is down"]
    assert node_down(reached({"partitions": ["rabbit@two"]})) == ["rabbit@one is cut off"]


def test_a_node_that_is_short_of_disk_or_memory_is_found() -> None:
    """Less than twice the limit free, or more than 80 % used; a node that is down tells neither."""
    assert room_short(reached({})) == []
    assert room_short(reached({"disk_free": 19_999})) == [
        "rabbit@one has 19,999 bytes of disk, and stops at 10,000"
    ]
    assert room_short(reached({"mem_used": 801})) == [
        "rabbit@one uses 801 bytes of memory, and stops at 1,000"
    ]
    assert room_short(reached({"disk_free": "nan", "mem_limit": None})) == []


def test_a_disk_that_is_nearly_full_is_found_on_the_embedded_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of its file is asked for."""
    with looking(f"sqlite:///{tmp_path / 'task_queue.db'}") as here:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
        assert room_short(here) == []
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=8))
        (told,) = room_short(here)

    assert told == f"8 bytes are free beside {tmp_path / 'task_queue.db'}"


def test_members_that_are_down_or_too_few_are_found() -> None:
    """A queue on one node of three, and one with a member down; one node alone is no cluster."""
    assert members_missing(reached(*three(), members=MEMBERS, online=MEMBERS)) == []
    assert members_missing(reached({}, members=MEMBERS[:1], online=MEMBERS[:1])) == []
    assert members_missing(reached(*three(), members=MEMBERS, online=MEMBERS[:2]))[0] == (
        "'task_queue' has the members rabbit@one, rabbit@two, rabbit@three, "
        "of which rabbit@three is down"
    )
    assert len(members_missing(reached(*three(), members=MEMBERS, online=[]))) == 2
    few = members_missing(reached(*three(), members=MEMBERS[:1], online=MEMBERS[:1]))
    assert few[0] == "'task_queue' has 1 members in a cluster of 3"
    assert members_missing(reached(*three(), type="classic")) == []


@pytest.mark.parametrize(
    ("version", "policy", "told"),
    [
        ((4, 3), {}, "delivery-limit = 20"),
        ((4, 3), {"delivery-limit": -1}, ""),
        ((4, 3), {"delivery-limit": -1, "message-ttl": 60}, "message-ttl = 60"),
        ((3, 10), {}, ""),
        ((3, 10), {"delivery-limit": 5}, "delivery-limit = 5"),
        ((3, 10), {"max-length": 9, "expires": 5}, "max-length = 9, expires = 5"),
    ],
)
def test_what_removes_dead_letters_is_found(
    version: tuple[int, ...], policy: dict[str, int], told: str
) -> None:
    """RabbitMQ 4 has a delivery limit of 20 for quorum queues, unless a policy takes it away."""
    found = reached({}, version=version, effective_policy_definition=policy)

    assert dead_letters_dropped(found) == told

"""The nodes behind the broker, and how much room they have; the management API tells."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proj.broker.management import limits_of
from proj.doctor.finding import listed
from proj.doctor.live.reached import Reached

REPLICAS = 3
"""The fewest of which one may fail: https://www.rabbitmq.com/docs/quorum-queues"""

FREE_DISK_FACTOR = 2
"""How many times RabbitMQ's limit should be free."""

FREE_DISK_BYTES = 2**30
"""How much should be free beside the embedded broker's file."""

USED_MEMORY_RATIO = 0.8

LIMITED_SINCE = (4, 0)
"""From this release on, a quorum queue drops what came back to it 20 times, unless told else."""

DROPPING = ("max-length", "max-length-bytes", "message-ttl", "expires", "delivery-limit")


def node_down(reached: Reached) -> list[str]:
    nodes = _nodes(reached)
    down = [f"{node['name']} is down" for node in nodes if not node["running"]]
    return down + [f"{node['name']} is cut off" for node in nodes if node.get("partitions")]


def room_short(reached: Reached) -> list[str]:
    found = []
    for node in _nodes(reached):
        name, free, disk = node["name"], node.get("disk_free"), node.get("disk_free_limit")
        used, memory = node.get("mem_used", 0), node.get("mem_limit") or float("inf")
        if isinstance(free, int) and isinstance(disk, int) and free < FREE_DISK_FACTOR * disk:
            found.append(f"{name} has {free:,} bytes of disk, and stops at {disk:,}")
        if used > USED_MEMORY_RATIO * memory:
            found.append(f"{name} uses {used:,} bytes of memory, and stops at {memory:,}")
    if reached.examined.is_embedded:
        file = Path(reached.connection.connection.database.path)
        free = shutil.disk_usage(file.parent).free
        if free < FREE_DISK_BYTES:
            found.append(f"{free:,} bytes are free beside {file}")
    return found


def members_missing(reached: Reached) -> list[str]:
    running = [node["name"] for node in _nodes(reached) if node["running"]]
    found = []
    for queue, told in _queues(reached):
        members = told.get("members") or running
        down = sorted({*members} - {*told.get("online", members)})
        if down:
            who = f"{queue!r} has the members {listed(members)}"
            found.append(f"{who}, of which {listed(down)} is down")
        elif len(members) < min(REPLICAS, len(running)):
            found.append(f"{queue!r} has {len(members)} members in a cluster of {len(running)}")
    return found


def dead_letters_dropped(reached: Reached) -> str:
    told = dict(_queues(reached)).get(reached.dead_letters, {})
    is_limited = told.get("type") == "quorum" and reached.examined.version >= LIMITED_SINCE
    limits = ({"delivery-limit": 20} if is_limited else {}) | limits_of(told)
    if is_limited and limits["delivery-limit"] == -1:
        del limits["delivery-limit"]
    return listed([f"{name} = {limits[name]}" for name in DROPPING if name in limits])


def _nodes(reached: Reached) -> list[dict[str, Any]]:
    return (reached.management and reached.management.get("/nodes")) or []


def _queues(reached: Reached) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in (reached.queue, reached.dead_letters):
        told = reached.management and reached.management.queue(name)
        if told:
            yield name, told

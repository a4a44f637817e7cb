"""Three private RabbitMQ nodes that are one cluster; each can be killed and started again."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any
from urllib.error import HTTPError

from tests.support.rabbitmq_node import RabbitMQNode
from tests.support.waiting import wait_until

__all__ = ["RabbitMQCluster"]


class RabbitMQCluster:
    """A context manager; all nodes are up after a start, and none after the end."""

    def __init__(self) -> None:
        first = RabbitMQNode()
        self.nodes = [first, RabbitMQNode(joining=first), RabbitMQNode(joining=first)]
        self._started = ExitStack()

    def __enter__(self) -> RabbitMQCluster:
        try:
            for node in self.nodes:
                self._started.enter_context(node)
            wait_until(self.running, lambda names: len(names) == 3, what="three nodes run")
        except BaseException:
            self._started.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._started.close()

    @property
    def urls(self) -> str:
        """The URL of each node, as CELERY_BROKER_URL takes them."""
        return ";".join(node.url() for node in self.nodes)

    def running(self) -> list[str]:
        """Return the names of the nodes that run, as a living one of them sees it."""
        return [each["name"] for each in self._ask("/nodes") or () if each["running"]]

    def leader(self, queue: str) -> RabbitMQNode:
        """Return the node on which the leader of the quorum ``queue`` is, once there is one."""
        names = {node.node_name: node for node in self.nodes if node.runs}
        found = wait_until(
            lambda: (self._ask(f"/queues/%2F/{queue}") or {}).get("leader"),
            lambda name: name in names,
            what=f"{queue} has a leader on a node that runs",
        )
        return names[found]

    def kill(self, node: RabbitMQNode) -> None:
        """End ``node`` by SIGKILL; return once it is gone, and the others know."""
        node.kill()
        assert not node.management.answers()
        wait_until(
            self.running,
            lambda names: names and node.node_name not in names,
            what="the others see it gone",
        )

    def wait_whole(self, queue: str) -> None:
        """Return once every replica of the quorum ``queue`` is online."""
        wait_until(
            lambda: (self._ask(f"/queues/%2F/{queue}") or {}).get("online"),
            lambda online: len(online or ()) == 3,
            what=f"three replicas of {queue} are online",
        )

    def _ask(self, path: str) -> Any:
        """Return what a node that runs answers; None while it has no answer."""
        living = next(node.management for node in self.nodes if node.runs)
        try:
            return living.call("GET", path)
        except HTTPError:  # 500 in the moment in which another node dies
            return None

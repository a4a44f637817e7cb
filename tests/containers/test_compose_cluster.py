"""The composed queue on three RabbitMQ nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.composed import Composed
from tests.support.waiting import wait_until

FILES = "-f docker-compose.yml -f docker-compose.cluster.yml"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """A fresh clone with three nodes and a worker, up by the commands of docs/deploy.md."""
    with Composed(tmp_path_factory.mktemp("clone"), FILES) as clone:
        for command in ("make env", f"{clone.compose} up --detach --wait"):
            done = clone.run(command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        yield clone


def test_a_killed_node_costs_nothing(composed: Composed) -> None:
    """The node that worker and producer try first is killed: both move over, and all ten run.

    RabbitMQ keeps the worker's mailbox locked for as long as that node is away.
    """
    asked = "rabbitmqctl --quiet list_queues --vhost work name members"
    before = composed.run(f"{composed.compose} exec -T rabbitmq {asked}").stdout
    members = next(line for line in before.splitlines() if line.startswith("task_queue\t"))
    assert members.count("rabbit@") == 3

    composed.run(f"{composed.compose} kill rabbitmq")
    state = composed.run(f"{composed.compose} ps --all rabbitmq --format '{{{{.ExitCode}}}}'")
    assert state.stdout == "137\n"
    sent = composed.run(f"{composed.compose} run --rm --no-deps producer")

    assert sent.returncode == 0, sent.stdout + sent.stderr
    wait_until(
        lambda: set(sum(composed.done().values(), Counter())),
        lambda done: done == {f"Message {number}" for number in range(10)},
        what="all ten are done",
        timeout_seconds=120,
    )

"""Workers on hosts of their own; one host loses its network without a word, and gets it back."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import kombu.pools
import pytest
from celery import Celery

from proj import plugin
from tests.support.ledger import Ledger
from tests.support.network import Network
from tests.support.rabbitmq_node import RabbitMQNode
from tests.support.waiting import wait_until
from tests.support.worker import Worker

pytestmark = [
    pytest.mark.own_machine,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("ip"),
        reason="network namespaces are made by root, with the program ip (iproute2)",
    ),
]

HEARTBEAT_SECONDS = 2
"""The default is ten times as long, and so is all that follows from it."""

HOSTS = ("one", "two", "three")


@pytest.fixture
def network() -> Iterator[Network]:
    """Three hosts on a switch, none of which the machine's own network knows."""
    with Network() as network:
        for host in HOSTS:
            network.add_host(host)
        yield network


@pytest.fixture
def node(network: Network) -> Iterator[RabbitMQNode]:
    """A broker on the switch, where every host and the test reach it."""
    with RabbitMQNode(
        address=network.address, inside=network.inside(), configuration="loopback_users = none\n"
    ) as running:
        yield running


def test_an_unplugged_host_loses_nothing_and_consumes_again_when_plugged_in(
    network: Network, node: RabbitMQNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its message is begun elsewhere within three heartbeats; no name clashes afterwards."""
    ledger = Ledger(tmp_path)
    url = f"{node.url()}?heartbeat={HEARTBEAT_SECONDS}"
    app = Celery("ledger", broker=node.url(), set_as_current=False)
    plugin.install(app)
    with ExitStack() as started:
        started.callback(kombu.pools.reset)
        workers = {
            host: started.enter_context(worker(host, url, tmp_path, network)) for host in HOSTS
        }
        for each in workers.values():
            each.wait_ready()
        app.send_task("ledger.record", ("long", 8000))
        wait_until(lambda: ledger.count("began"), what="the task runs")
        host = next(name for name, each in workers.items() if "] received" in each.log())

        before = wait_until(lambda: connections(node, network, host), what=f"{host} is connected")
        network.unplug(host)
        unplugged = time.monotonic()
        assert connections(node, network, host) == before, "the broker was told"
        for number in range(20):
            app.send_task("ledger.record", (f"meanwhile-{number}", 50))
        wait_until(
            lambda: ledger.count("began")["long"],
            lambda runs: runs == 2,
            what="it is begun elsewhere",
        )
        seconds = time.monotonic() - unplugged
        wait_consumers(node, 2)
        wait_until(
            lambda: connections(node, network, host) & before,
            lambda left: not left,
            what="the broker has given up the host",
        )
        network.plug_in(host)
        wait_consumers(node, 3)
        seen = workers[host].log().count("] received")
        for number in range(20):
            app.send_task("ledger.record", (f"after-{number}", 200))
        wait_until(
            lambda: workers[host].log().count("] received"),
            lambda count: count > seen,
            what=f"{host} consumes again",
        )
        wait_until(lambda: len(ledger.count("ended")), lambda ended: ended == 41, what="all ran")

    with capsys.disabled():
        figures = {
            "heartbeat, seconds": HEARTBEAT_SECONDS,
            "begun elsewhere after": round(seconds, 1),
        }
        print("\n" + json.dumps(figures))  # noqa: T201 - the figures of this run
    assert seconds < 3 * HEARTBEAT_SECONDS + 1
    assert "RESOURCE_LOCKED" not in workers[host].log()


def worker(host: str, url: str, folder: Path, network: Network) -> Worker:
    """Return a worker on ``host``, not yet started."""
    return Worker(
        host,
        url,
        folder,
        app="tests.support.ledger_app",
        environment={"LEDGER": str(folder)},
        inside=network.inside(host),
    )


def connections(node: RabbitMQNode, network: Network, host: str) -> set[str]:
    """Return the names of the connections of ``host`` that the broker believes to have."""
    address = network.addresses[host]
    found = node.management.call("GET", "/connections")
    return {each["name"] for each in found if each.get("peer_host") == address}


def wait_consumers(node: RabbitMQNode, count: int) -> None:
    """Return once the broker says that the work queue has ``count`` consumers."""
    wait_until(
        lambda: node.management.queue("/", "task_queue").get("consumers"),
        lambda consumers: consumers == count,
        what=f"the work queue has {count} consumers",
        timeout_seconds=60,
    )

"""Ways to harm a running system; each proves that the harm was done."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass
from enum import Enum

from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.worker import Worker

__all__ = ["Fault", "System", "strike"]

DISTURBANCE_SECONDS = 3.0


class Fault(Enum):
    """What can happen to a system."""

    KILL_CHILD = "SIGKILL of a pool process"
    KILL_WORKER = "SIGKILL of a worker and its pool"
    STOP_WORKER = "SIGSTOP of a worker for seconds, then SIGCONT"
    KILL_BROKER = "SIGKILL of the broker, then a start on the same folder"
    CLOSE_CONNECTIONS = "the broker closes every connection"
    CUT_NETWORK = "every connection through the network is cut"
    BLACK_HOLE = "the network passes nothing for seconds"


@dataclass
class System:
    """What a fault may strike: the broker, the network before it, the workers."""

    rabbitmq: RabbitMQ
    proxy: Proxy
    workers: list[Worker]
    ledger: Ledger

    def wait_for_traffic(self) -> None:
        """Return once a message more is accepted: a broker takes seconds to serve after a start."""
        before = self.ledger.count("accepted").total()
        wait_until(
            lambda: self.ledger.count("accepted").total(),
            lambda now: now > before,
            what="messages are accepted again",
            timeout_seconds=60,
        )


def strike(fault: Fault, system: System, chance: random.Random) -> None:
    """Do ``fault`` to ``system``, prove that it happened, and let the system run on."""
    STRIKES[fault](system, chance)


def _kill_child(system: System, chance: random.Random) -> None:
    worker = chance.choice(system.workers)
    children = wait_until(worker.pool_pids, what=f"{worker.name} has pool processes")
    pid = chance.choice(children)
    os.kill(pid, signal.SIGKILL)
    wait_until(
        worker.pool_pids, lambda pids: pid not in pids, what=f"the killed process {pid} is gone"
    )


def _kill_worker(system: System, chance: random.Random) -> None:
    worker = chance.choice(system.workers)
    worker.kill()
    worker.start()


def _stop_worker(system: System, chance: random.Random) -> None:
    worker = chance.choice(system.workers)
    assert worker.process is not None
    worker.signal(signal.SIGSTOP)
    pid = worker.process.pid
    wait_until(lambda: _state(pid), lambda state: state == "T", what=f"{worker.name} is stopped")
    time.sleep(DISTURBANCE_SECONDS)
    worker.signal(signal.SIGCONT)
    wait_until(lambda: _state(pid), lambda state: state != "T", what=f"{worker.name} goes on")


def _kill_broker(system: System, chance: random.Random) -> None:  # noqa: ARG001 - there is one broker
    system.rabbitmq.kill()
    assert not system.rabbitmq.management.answers()
    system.rabbitmq.start()


def _close_connections(system: System, chance: random.Random) -> None:  # noqa: ARG001 - all of them
    names = wait_until(
        lambda: {each["name"] for each in system.rabbitmq.management.call("GET", "/connections")},
        what="a connection is open",
    )
    system.rabbitmq.control("close_all_connections", "a test closes every connection")
    wait_until(
        lambda: {each["name"] for each in system.rabbitmq.management.call("GET", "/connections")},
        lambda now: not names & now,
        what="every connection of before is closed",
    )


def _cut_network(system: System, chance: random.Random) -> None:  # noqa: ARG001 - all of it
    before = system.proxy.connections
    system.proxy.cut()
    wait_until(
        lambda: system.proxy.connections, lambda now: now > before, what="somebody connects again"
    )


def _black_hole(system: System, chance: random.Random) -> None:  # noqa: ARG001 - all of it
    system.wait_for_traffic()
    before = system.proxy.held_bytes
    system.proxy.hold()
    time.sleep(DISTURBANCE_SECONDS)
    assert system.proxy.held_bytes > before, "nothing was sent into the black hole"
    system.proxy.resume()


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as status:  # noqa: PTH123 - a file of the kernel's
        return status.read().rpartition(")")[2].split()[0]


STRIKES = {
    Fault.KILL_CHILD: _kill_child,
    Fault.KILL_WORKER: _kill_worker,
    Fault.STOP_WORKER: _stop_worker,
    Fault.KILL_BROKER: _kill_broker,
    Fault.CLOSE_CONNECTIONS: _close_connections,
    Fault.CUT_NETWORK: _cut_network,
    Fault.BLACK_HOLE: _black_hole,
}

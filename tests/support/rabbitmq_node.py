"""A private RabbitMQ node: own name, ports, cookie, folder; always stopped, nothing left behind."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from tests.support.ports import free_ports
from tests.support.processes import end_group, start_group
from tests.support.rabbitmq_management import Management
from tests.support.rabbitmq_programs import find_programs
from tests.support.waiting import wait_until

__all__ = ["ADVANCED_CONFIGURATION", "RabbitMQNode", "is_registered"]

CONFIGURATION = """\
listeners.tcp.1 = {address}:{port}
management.tcp.ip = {address}
management.tcp.port = {management_port}
collect_statistics_interval = 200
log.file.level = info
"""

JOINING = """\
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {node}
"""

# Not five seconds: a test that asks the broker for the state of a queue waits for the next report.
ADVANCED_CONFIGURATION = "[{rabbit, [{quorum_tick_interval, 300}]}].\n"


class RabbitMQNode:
    """One node as child processes of this one; a context manager.

    It has a port mapper (epmd) of its own too: a system's own RabbitMQ is neither seen nor touched.
    A node that is ``joining`` another one becomes, on its first start, a member of its cluster, and
    ends before it. ``configuration`` is more lines of rabbitmq.conf; ``inside`` is what goes before
    each command, such as that of a network namespace.
    """

    def __init__(
        self,
        *,
        joining: RabbitMQNode | None = None,
        configuration: str = "",
        address: str = "127.0.0.1",
        inside: tuple[str, ...] = (),
    ) -> None:
        self.programs = find_programs()
        self.joining = joining
        self.address = address
        self.inside = inside
        self.folder = Path(tempfile.mkdtemp(prefix="workqueue-rabbitmq-"))
        self.port, self.management_port, distribution_port, epmd_port = free_ports(4)
        self.node_name = f"workqueue{secrets.token_hex(4)}@localhost"
        (self.folder / "rabbitmq.conf").write_text(
            CONFIGURATION.format(
                address=address, port=self.port, management_port=self.management_port
            )
            + (JOINING.format(node=joining.node_name) if joining else "")
            + configuration
        )
        (self.folder / "advanced.config").write_text(ADVANCED_CONFIGURATION)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(joining.cookie if joining else secrets.token_hex(16))
        cookie.chmod(0o400)
        self.cookie = cookie.read_text()
        if joining:
            epmd_port = int(joining.environment["ERL_EPMD_PORT"])
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "no-such-file"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_SCHEMA_DIR": str(self.folder / "schema"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "config"),
            # The server's script becomes the Erlang machine: the child that we end is the broker.
            "RUNNING_UNDER_SYSTEMD": "true",
            # One node of many on a small machine: few schedulers, and no spinning while idle.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        self.management = Management(self.management_port, address)
        self._port_mapper: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RabbitMQNode:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, *, timeout_seconds: float = 60.0) -> None:
        """Start the node on its folder, and return once it takes connections and answers."""
        if self._port_mapper is None and self.joining is None:
            self._port_mapper = self._start("epmd", "epmd.log")
        self._server = self._start(self.programs / "rabbitmq-server", "server.log")
        wait_until(
            self._has_started,
            what=f"RabbitMQ node {self.node_name} has started",
            timeout_seconds=timeout_seconds,
        )

    @property
    def runs(self) -> bool:
        """Whether the node was started, and has not ended."""
        return self._server is not None and self._server.poll() is None

    def kill(self) -> None:
        """End the node by SIGKILL, as a power cut would; its folder stays for the next start."""
        if self._server is not None:
            end_group(self._server)
        self._server = None

    def wait_registered(self, *queues: str) -> None:
        """Return once the node would find the quorum ``queues`` again after a power cut.

        RabbitMQ 3.10 writes the register of its quorum queues up to a second after it has made
        one; killed before, it knows the queue but never serves it again.
        """
        wait_until(
            lambda: [name for name in queues if not is_registered(name, self._registers())],
            lambda missing: not missing,
            what="RabbitMQ has written its register of quorum queues",
        )

    def signal(self, number: signal.Signals) -> None:
        """Send ``number`` to every process of the node, such as SIGSTOP and SIGCONT."""
        assert self._server is not None, "the node does not run"
        os.killpg(self._server.pid, number)

    def close(self) -> None:
        """Stop the node and its port mapper, and remove its folder."""
        for process in (self._server, self._port_mapper):
            if process is not None:
                end_group(process)
        self._server = self._port_mapper = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def control(self, *arguments: str, timeout_seconds: float = 60.0) -> str:
        """Return what ``rabbitmqctl`` printed for ``arguments``; raises with that if it failed."""
        done = subprocess.run(
            [*self.inside, str(self.programs / "rabbitmqctl"), "--quiet", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def add_virtual_host(self, name: str, *, default_queue_type: str = "classic") -> None:
        """Make virtual host ``name`` with all rights for guest, and a default queue type."""
        self.control("add_vhost", name, "--default-queue-type", default_queue_type)
        self.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")

    def url(self, virtual_host: str = "/") -> str:
        """Return the AMQP URL of ``virtual_host``."""
        return f"amqp://guest:guest@{self.address}:{self.port}/{virtual_host.replace('/', '%2F')}"

    def log(self) -> str:
        """Return what the node's processes printed."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _start(self, command: str | Path, log_name: str) -> subprocess.Popen[bytes]:
        with (self.folder / log_name).open("ab") as output:
            return start_group(
                [*self.inside, command],
                environment=self.environment,
                folder=self.folder,
                output=output,
            )

    def _registers(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder.rglob("names.dets"))

    def _has_started(self) -> bool:
        assert self._server is not None
        if self._server.poll() is not None:
            raise RuntimeError(f"RabbitMQ ended with {self._server.returncode}:\n{self.log()}")
        return self.management.answers()


def is_registered(queue: str, register: bytes) -> bool:
    """Return whether the bytes of a register of quorum queues name ``queue``."""
    # The register holds "<virtual host>_<queue>"; another queue's name may begin like this one.
    return re.search(rb"_" + re.escape(queue.encode()) + rb"(?!\.)", register) is not None

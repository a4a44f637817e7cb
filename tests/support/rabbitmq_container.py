"""A RabbitMQ in a container, used as :class:`RabbitMQNode` is: another release to test on."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from tests.support.ports import free_ports
from tests.support.rabbitmq_management import Management
from tests.support.rabbitmq_node import ADVANCED_CONFIGURATION, is_registered
from tests.support.waiting import wait_until

__all__ = ["IMAGE", "RabbitMQContainer"]

IMAGE = "rabbitmq:4.3-management"
CONFIGURATION = "collect_statistics_interval = 200\n"


class RabbitMQContainer:
    """One container on loopback ports; a context manager that removes it with its volume."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="workqueue-rabbitmq-"))
        self.folder.chmod(0o755)
        self.port, self.management_port = free_ports(2)
        self.name = f"workqueue-{secrets.token_hex(4)}"
        (self.folder / "tests.conf").write_text(CONFIGURATION)
        (self.folder / "advanced.config").write_text(ADVANCED_CONFIGURATION)
        self.management = Management(self.management_port)

    def __enter__(self) -> RabbitMQContainer:
        try:
            self._docker(
                *("create", "--name", self.name),
                *("--publish", f"127.0.0.1:{self.port}:5672"),
                *("--publish", f"127.0.0.1:{self.management_port}:15672"),
                *("--volume", f"{self.folder}/tests.conf:/etc/rabbitmq/conf.d/90-tests.conf:ro"),
                *("--volume", f"{self.folder}/advanced.config:/etc/rabbitmq/advanced.config:ro"),
                IMAGE,
            )
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
        """Start the container on its volume, and return once it takes connections and answers."""
        self._docker("start", self.name)
        wait_until(
            self._has_started,
            what=f"RabbitMQ container {self.name} has started",
            timeout_seconds=timeout_seconds,
        )

    def kill(self) -> None:
        """End the container by SIGKILL, as a power cut would; its volume stays."""
        self._docker("kill", self.name)
        assert self._docker("inspect", "-f", "{{.State.Running}}", self.name) == "false\n"

    def signal(self, number: signal.Signals) -> None:
        """Stop and continue every process of the container: SIGSTOP and SIGCONT, no other."""
        verb = {signal.SIGSTOP: "pause", signal.SIGCONT: "unpause"}[number]

        def is_done() -> bool:
            try:
                self._docker(verb, self.name)
            except RuntimeError as error:
                # The kernel freezes a busy container only within a time of the engine's own.
                if "unable to freeze" in str(error):
                    return False
                raise
            return True

        wait_until(is_done, what=f"docker has done: {verb} {self.name}")

    def close(self) -> None:
        """Remove the container, its volume and its folder."""
        self._docker("rm", "--force", "--volumes", self.name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def control(self, *arguments: str, timeout_seconds: float = 60.0) -> str:
        """Return what ``rabbitmqctl`` printed for ``arguments``; raises with that if it failed."""
        return self._docker(
            *("exec", self.name, "rabbitmqctl", "--quiet", *arguments),
            timeout_seconds=timeout_seconds,
        )

    def wait_registered(self, *queues: str) -> None:
        """Return once the node would find the quorum ``queues`` again after a power cut."""
        wait_until(
            lambda: [name for name in queues if not is_registered(name, self._registers())],
            lambda missing: not missing,
            what="RabbitMQ has written its register of quorum queues",
        )

    def add_virtual_host(self, name: str, *, default_queue_type: str = "classic") -> None:
        """Make virtual host ``name`` with all rights for guest, and a default queue type."""
        self.control("add_vhost", name, "--default-queue-type", default_queue_type)
        self.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")

    def url(self, virtual_host: str = "/") -> str:
        """Return the AMQP URL of ``virtual_host``."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{virtual_host.replace('/', '%2F')}"

    def log(self) -> str:
        """Return what the container has printed."""
        return self._docker("logs", self.name)

    def _registers(self) -> bytes:
        find = "cat $(find /var/lib/rabbitmq -name names.dets)"
        command = ["docker", "exec", self.name, "sh", "-c", find]
        return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout

    def _has_started(self) -> bool:
        running = self._docker("inspect", "-f", "{{.State.Running}}", self.name)
        if running != "true\n":
            raise RuntimeError(f"the container {self.name} ended:\n{self.log()}")
        return self.management.answers()

    def _docker(self, *arguments: str, timeout_seconds: float = 60.0) -> str:
        done = subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

"""Hosts on one machine: network namespaces with their own addresses, on a switch; root's alone."""

from __future__ import annotations

import secrets
import subprocess
from contextlib import suppress
from types import TracebackType

__all__ = ["Network"]


class Network:
    """A switch in a namespace of its own, where a broker may run too; a context manager.

    The test itself is on the network too, so that it can ask the broker. The addresses are those
    that are set aside for measuring networks (RFC 2544).
    """

    def __init__(self) -> None:
        self.prefix = f"wq{secrets.token_hex(2)}"
        self.switch = f"{self.prefix}-switch"
        self.address = "198.18.77.1"
        """Of the switch's own namespace."""
        self.addresses: dict[str, str] = {}
        self._hosts: dict[str, str] = {}

    def __enter__(self) -> Network:
        try:
            self._ip("netns", "add", self.switch)
            self._on(self.switch, "link", "set", "lo", "up")
            self._on(self.switch, "link", "add", "br0", "type", "bridge")
            self._on(self.switch, "address", "add", f"{self.address}/24", "dev", "br0")
            self._on(self.switch, "link", "set", "br0", "up")
            self._ip("link", "add", f"{self.prefix}t", "type", "veth", *self._peer("test"))
            self._plug("test")
            self._ip("address", "add", "198.18.77.254/24", "dev", f"{self.prefix}t")
            self._ip("link", "set", f"{self.prefix}t", "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._remove()

    def inside(self, host: str | None = None) -> tuple[str, ...]:
        """Return what goes before a command that runs on ``host``, else on the switch."""
        return ("ip", "netns", "exec", self._hosts[host] if host else self.switch)

    def add_host(self, name: str) -> None:
        """Add a host, plugged in."""
        namespace = self._hosts[name] = f"{self.prefix}-{name}"
        self._ip("netns", "add", namespace)
        self._on(namespace, "link", "set", "lo", "up")
        self._on(namespace, "link", "add", "eth0", "type", "veth", *self._peer(name))
        address = self.addresses[name] = f"198.18.77.{len(self._hosts) + 1}"
        self._on(namespace, "address", "add", f"{address}/24", "dev", "eth0")
        self._on(namespace, "link", "set", "eth0", "up")
        self._plug(name)

    def unplug(self, name: str) -> None:
        """Take the host's cable out of the switch: nothing is said to anybody; see that it is."""
        self._on(self.switch, "link", "set", name, "down")
        assert self._carrier(name) == "0"

    def plug_in(self, name: str) -> None:
        """Put the host's cable back."""
        self._on(self.switch, "link", "set", name, "up")
        assert self._carrier(name) == "1"

    def _plug(self, name: str) -> None:
        self._on(self.switch, "link", "set", name, "master", "br0")
        self._on(self.switch, "link", "set", name, "up")

    def _peer(self, name: str) -> tuple[str, ...]:
        return ("peer", "name", name, "netns", self.switch)

    def _carrier(self, name: str) -> str:
        command = [*self.inside(name), "cat", "/sys/class/net/eth0/carrier"]
        return _run(*command).strip()

    def _on(self, namespace: str, *arguments: str) -> None:
        self._ip("-n", namespace, *arguments)

    def _ip(self, *arguments: str) -> None:
        _run("ip", *arguments)

    def _remove(self) -> None:
        # The links end with the namespaces, the test's own too: its other end is there.
        for namespace in (*self._hosts.values(), self.switch):
            with suppress(RuntimeError):
                self._ip("netns", "delete", namespace)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout

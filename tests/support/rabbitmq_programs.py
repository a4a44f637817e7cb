"""Finds RabbitMQ's programs on this machine, without starting or asking a system's own RabbitMQ."""

from __future__ import annotations

import glob
import shutil
from pathlib import Path

__all__ = ["RabbitMQMissing", "find_programs"]

HOW_TO_GET_IT = (
    "RabbitMQ is not installed. Debian and Ubuntu: apt-get install rabbitmq-server; "
    "Fedora: dnf install rabbitmq-server; macOS: brew install rabbitmq. "
    "It need not run: private nodes are started and stopped."
)

# A distribution's wrapper in PATH changes to the user "rabbitmq"; the script below it does not.
FOLDERS = (
    "/usr/lib/rabbitmq/bin",
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/rabbitmq/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)


class RabbitMQMissing(RuntimeError):
    """RabbitMQ is not installed; the text says how to get it."""


def find_programs() -> Path:
    """Return the folder with ``rabbitmq-server`` and ``rabbitmqctl``; raises RabbitMQMissing."""
    for pattern in FOLDERS:
        for folder in sorted(glob.glob(pattern), reverse=True):
            if (Path(folder) / "rabbitmq-server").exists() and shutil.which("erl"):
                return Path(folder)
    raise RabbitMQMissing(HOW_TO_GET_IT)

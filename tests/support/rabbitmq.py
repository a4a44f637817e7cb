"""The RabbitMQ that the tests run on: a private node of this machine's release, or a container."""

from __future__ import annotations

import os
from typing import TypeAlias

from tests.support.rabbitmq_container import RabbitMQContainer
from tests.support.rabbitmq_node import RabbitMQNode

__all__ = ["RabbitMQ", "new_rabbitmq"]

RabbitMQ: TypeAlias = RabbitMQNode | RabbitMQContainer


def new_rabbitmq() -> RabbitMQ:
    """Return a RabbitMQ of the kind that the variable TEST_RABBITMQ names, not yet started."""
    kinds = {"node": RabbitMQNode, "container": RabbitMQContainer}
    return kinds[os.environ.get("TEST_RABBITMQ", "node")]()

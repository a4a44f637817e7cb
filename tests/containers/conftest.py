"""Our image as pytest-celery's worker, RabbitMQ 4.3 as its broker, three workers a test.

pytest-celery looks its parts up by the names of fixtures; those here replace its own.
"""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from pytest_celery import (
    CeleryBrokerCluster,
    CeleryTestWorker,
    CeleryWorkerCluster,
    CeleryWorkerContainer,
    RabbitMQContainer,
    RabbitMQTestBroker,
)
from pytest_docker_tools import container, fxtr, volume

from tests.support.image import build_image
from tests.support.rabbitmq_container import IMAGE


class BrokerContainer(RabbitMQContainer):
    """A RabbitMQ that is always reached by its published port, which a restart may change."""

    @property
    def port(self) -> int:
        """Return the port on this machine."""
        return int(self.attrs["NetworkSettings"]["Ports"]["5672/tcp"][0]["HostPort"])

    @property
    def vhost(self) -> str:
        """Return the default virtual host, as every client writes it in a URL."""
        return "%2F"


class WorkerContainer(CeleryWorkerContainer):
    """A container of our image, which starts a worker by itself."""

    @classmethod
    def command(cls, *args: str, **_: Any) -> list[str]:
        """Return the image's own command, with a process for one message at a time."""
        return ["celery", "-A", "proj", "worker", "--loglevel", "INFO", "--concurrency", "1", *args]

    @classmethod
    def worker_queue(cls) -> str:
        """Return the queue that it consumes."""
        return "task_queue"


@pytest.fixture(scope="session")
def workqueue_image() -> str:
    """The image that the Dockerfile makes of this clone, built once."""
    return build_image()


broker_volume = volume()  # removed with the test, as an image's own volume would not be

default_rabbitmq_broker = container(
    image=IMAGE,
    volumes={"{broker_volume.name}": {"bind": "/var/lib/rabbitmq", "mode": "rw"}},
    ports={"5672/tcp": None},
    network="{default_pytest_celery_network.name}",
    wrapper_class=BrokerContainer,
    timeout=120,
)


@pytest.fixture
def default_worker_container_cls() -> type[CeleryWorkerContainer]:
    """Ours, asked for its command and its environment."""
    return WorkerContainer


def _worker() -> Any:
    return container(
        image="{workqueue_image}",
        command=fxtr("default_worker_command"),
        environment=fxtr("default_worker_env"),
        network="{default_pytest_celery_network.name}",
        wrapper_class=WorkerContainer,
        timeout=60,
    )


first_worker, second_worker, third_worker = _worker(), _worker(), _worker()


@pytest.fixture
def celery_broker_cluster(celery_rabbitmq_broker: RabbitMQTestBroker) -> CeleryBrokerCluster:
    """One broker."""
    return CeleryBrokerCluster(celery_rabbitmq_broker)


@pytest.fixture
def celery_backend_cluster() -> None:
    """No results are kept."""


@pytest.fixture
def celery_worker_cluster(
    first_worker: WorkerContainer,
    second_worker: WorkerContainer,
    third_worker: WorkerContainer,
    celery_setup_app: Celery,
) -> CeleryWorkerCluster:
    """Three workers that are ready."""
    nodes = (first_worker, second_worker, third_worker)
    return CeleryWorkerCluster(*(CeleryTestWorker(node, celery_setup_app) for node in nodes))

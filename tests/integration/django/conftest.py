"""A Django project on each database; the servers are private, and start where one is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.database_server import DatabaseServer
from tests.support.django_project import DjangoProject
from tests.support.mariadb import MariaDB
from tests.support.postgresql import PostgreSQL

Settings = dict[str, Any]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    """A private PostgreSQL."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    """A private MariaDB."""
    with MariaDB() as server:
        yield server


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Settings]:
    """Make an empty database by ``new_database(kind)``, and return its settings for Django."""

    def make(kind: str) -> Settings:
        name = f"site_{secrets.token_hex(4)}"
        if kind == "sqlite":
            path = tmp_path / f"{name}.db"
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
        server: DatabaseServer = request.getfixturevalue(kind)
        return server.add_database(name)

    return make


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, new_database: Callable[[str], Settings]) -> Settings:
    """Each database, empty."""
    return new_database(request.param)


@pytest.fixture
def project(
    new_database: Callable[[str], Settings], broker: Broker, tmp_path: Path
) -> DjangoProject:
    """The project on PostgreSQL and RabbitMQ."""
    return DjangoProject({"default": new_database("postgresql")}, broker.url, tmp_path)

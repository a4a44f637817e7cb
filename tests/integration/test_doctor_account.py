"""What ``doctor`` finds about the account: each appears, and its remedy ends it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from proj.doctor.examining import examine
from proj.doctor.fixing import fix
from proj.doctor.live import route
from proj.doctor.live.permissions import account_is_administrator, permission_missing
from proj.errors import LettersUnreadable
from tests.support.doctor_scene import app_with, found, looking, virtual_host
from tests.support.rabbitmq import RabbitMQ
from tests.support.worker import ROOT

pytest_plugins = ["tests.support.doctor_fixtures"]
pytestmark = pytest.mark.usefixtures("no_workers")


def test_a_missing_permission_is_found(node: RabbitMQ, api: str) -> None:
    """By the broker's refusal, and by the patterns where the API's account may read them."""
    asked = api.replace("://", "://guest:guest@")
    with virtual_host(node, account="doctorless", rights="^nothing$") as own:
        with looking(own, work_queue_management_url=asked) as as_administrator:
            told = permission_missing(as_administrator)
            assert told
            assert told.startswith("configure 'celery_delayed_27'")
            assert account_is_administrator(as_administrator) is None
        with looking(own, work_queue_management_url=api) as as_itself:
            assert permission_missing(as_itself) is None
            assert account_is_administrator(as_itself) is None
            (refused, *_) = found(as_itself.examined.app, "permission-missing")
            assert "ACCESS_REFUSED" in refused


def test_a_workers_permissions_are_enough(node: RabbitMQ, api: str) -> None:
    """Those that the documentation prints: every check is made, and none lacks a permission."""
    page = (ROOT / "docs/permissions-and-tls.md").read_text()
    (rights,) = re.findall(
        r"set_permissions -p work worker '.+?' '(.+?)' '.+?'$", page, re.MULTILINE
    )
    asked = api.replace("://", "://guest:guest@")
    with virtual_host(node, account="doctors", rights=rights) as own:
        options = {"work_queue_name": "task_queue", "work_queue_management_url": asked}
        with looking(own, **options) as reached:
            assert fix(reached.examined.app)
            names = {each.name for each in examine(reached.examined.app)}

    assert "no-consumer" in names
    assert not names & {"permission-missing", "broker-refuses", "dead-letter-route-broken"}


def test_a_queue_that_belongs_to_another_connection_is_found(url: str) -> None:
    """What the broker refuses to one check is told, and ends no other check."""
    with looking(url) as other, other.connection.channel() as channel:
        channel.queue_declare(other.queue, exclusive=True, durable=False)
        app = app_with({"broker_url": url, "work_queue_name": other.queue})

        (told, *_) = found(app, "broker-refuses")
        assert "RESOURCE_LOCKED" in told
        assert found(app, "default-credentials")

        channel.queue_delete(other.queue)
        assert found(app, "broker-refuses") == []


def test_dead_letters_that_may_not_be_read_are_found(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe that cannot be taken back is told as such, and ends no other check."""

    def refused(*_: Any, **__: Any) -> None:
        raise LettersUnreadable("task_queue.dead_letters", url, "ACCESS_REFUSED")

    with looking(url) as reached:
        fix(reached.examined.app)
        monkeypatch.setattr(route, "holding", refused)

        assert "ACCESS_REFUSED" in found(reached.examined.app, "dead-letter-route-broken")[0]


def test_an_account_that_may_do_everything_is_found(url: str, api: str) -> None:
    """RabbitMQ's guest is its administrator; its patterns cover everything."""
    with looking(url, work_queue_management_url=api) as reached:
        assert account_is_administrator(reached) == "'guest'"
        assert not permission_missing(reached)

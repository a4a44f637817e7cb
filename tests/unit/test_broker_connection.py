"""What a broker URL says, and which apps of one process may share connections."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from proj import plugin
from proj.errors import SettingsError


def app_with(url: str | list[str], **configuration: Any) -> Celery:
    """Return an app with the plug-in."""
    app = Celery("theirs", set_as_current=False)
    app.conf.update({"broker_url": url, **configuration})
    plugin.install(app)
    return app


@pytest.mark.parametrize(
    "url",
    [
        "ampq://guest:secret@localhost//",
        "amqp://guest:secret/x@localhost:5672//",
        "amqp://guest:secret@localhost:99999//",
        "amqp://guest:secret@[::1//",
        ["amqp://localhost//", "ampq://guest:secret@localhost//"],
        "guest:secret@localhost:5672//",
        ["amqp://localhost//", "guest:secret@localhost:5672//"],
    ],
)
def test_a_broker_url_that_cannot_work_is_one_clear_error(url: str | list[str]) -> None:
    """A scheme, port or host that is none, also of a second broker; no password is shown."""
    with pytest.raises(SettingsError, match=r"broker_url: .*; expected amqp://user") as raised:
        app_with(url).send_task("whatever")

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "other",
    [
        {"broker_url": ["amqp://first//", "amqp://third//"]},
        {"broker_use_ssl": {"ca_certs": "ours.pem"}},
        {"broker_connection_timeout": 1},
        {"broker_login_method": "PLAIN"},
        {"broker_failover_strategy": "shuffle"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_apps_with_other_settings_of_their_connection_share_no_pool(other: dict[str, Any]) -> None:
    """The same first URL is not the same broker; the same settings share one pool."""
    urls = ["amqp://first//", "amqp://second//"]
    one, same = app_with(urls), app_with(urls)
    another = app_with(urls, **other)

    assert one.pool is same.pool
    assert one.producer_pool is same.producer_pool
    assert another.pool is not one.pool
    assert another.producer_pool is not one.producer_pool

"""What ``workqueue status`` asks of the workers and of the management API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from proj import plugin
from proj.broker.management import Management
from proj.commands.status.gathering import gather

ANSWER = {"consuming": True, "paused": False, "in_work": 0, "taken": 0, "processes": []}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Celery:
    """Return an app whose queue ``mine`` has one consumer; a worker of another queue is faster."""
    app = Celery("mine", broker=f"sqlite:///{tmp_path / 'task_queue.db'}", set_as_current=False)
    app.conf.work_queue_name = "mine"
    plugin.install(app)
    answers = [{name: {**ANSWER, "queue": name.split("@")[0]}} for name in ("other@h", "mine@h")]

    def broadcast(*_: Any, limit: int | None = None, **__: Any) -> list[dict[str, Any]]:
        return answers[:limit]

    monkeypatch.setattr(app.control, "broadcast", broadcast)
    return app


def test_workers_of_other_queues_take_no_place(app: Celery) -> None:
    """Whoever answers first, the consumer of this queue is heard."""
    with app.connection() as connection, connection.channel() as channel:
        app.amqp.queues["mine"].bind(channel).declare()
        channel.basic_consume("mine", callback=lambda _: None)

        found = gather(app)

    assert found.work.consumers == 1
    assert list(found.workers) == ["mine@h"]
    assert found.all_answered


def test_two_workers_of_one_name_are_shown_as_one(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their answers cannot be told apart; ``doctor`` finds the name that is used twice."""
    answers = [{"mine@h": {**ANSWER, "queue": "mine", "taken": number}} for number in (1, 2)]
    monkeypatch.setattr(app.control, "broadcast", lambda *_, **__: answers)

    assert list(gather(app).workers) == ["mine@h"]


def test_rates_of_a_queue_that_the_api_does_not_know_are_unknown(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody told them: that is not zero."""
    app.conf.work_queue_management_url = "http://127.0.0.1:1"
    monkeypatch.setattr(Management, "get", lambda *_: None)

    found = gather(app)

    assert found.problem is None
    assert (found.work.in_per_second, found.work.out_per_second) == (None, None)

"""One line in INSTALLED_APPS: worker, tasks, connections and commands are as Django has them."""

from __future__ import annotations

import pytest

from tests.support.django_project import DjangoProject
from tests.support.waiting import wait_until

pytestmark = pytest.mark.own_machine

RESULTS = {"TEST_RESULT_BACKEND": "rpc://"}


def test_tasks_in_a_worker_of_the_projects_own_app(project: DjangoProject) -> None:
    """Results come back; a retry and a replacement outlive the transaction that they end.

    Each task begins without the connection of the one before.
    """
    with project.worker("own", app="tests.support.django_site", **RESULTS) as worker:
        worker.wait_ready()
        said = project.manage("order", "1", "--result", **RESULTS)
        for number, task in enumerate(
            ["retry_in_a_transaction", "replace_in_a_transaction"] + 2 * ["order_and_pack"], 2
        ):
            project.manage("order", str(number), "--task", task)
        wait_until(
            lambda: (project.ledger.count("packed"), project.ledger.count("retried")),
            lambda seen: seen == (dict.fromkeys("1345", 1), {"2": 1}),
            what="all have run",
        )

    assert "result=1" in said
    assert project.ledger.count("connected") == {"False": 2}


def test_the_commands_of_the_work_queue(project: DjangoProject) -> None:
    """``manage.py workqueue`` is ``celery -A proj workqueue``, with its help and exit codes."""
    assert "dead-letters" in project.manage("workqueue", "--help")
    assert "Error" in project.manage("workqueue", "no-such-command", exit_code=2)
    said = project.manage("workqueue", "dead-letters", "list", exit_code=1)
    assert "there is no such queue" in said
    assert "Traceback" not in said


def test_a_setting_that_is_wrong_is_told_at_the_start(project: DjangoProject) -> None:
    """A misspelt ``WORK_QUEUE_`` setting is an error that names the right one."""
    misspelt = {"WORK_QUEUE_OUTBOX_DATABSE": "default"}
    said = project.manage("relay_outbox", "--once", exit_code=1, **misspelt)

    assert "did you mean WORK_QUEUE_OUTBOX_DATABASE" in said
    assert "Traceback" not in said

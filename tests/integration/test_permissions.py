"""The permissions that the documentation prints are enough, and nothing in them is too much."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import kombu.pools
import pytest
from celery import Celery

from proj import plugin
from proj.errors import PublishError, Refused, Unroutable
from tests.integration.conftest import WorkerFactory
from tests.support.broker import Broker
from tests.support.flower import Flower
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.worker import ROOT, Worker

COMMAND = re.compile(
    r"^\$ rabbitmqctl set_permissions -p work (\w+) '(.+?)' '(.+?)' '(.+?)'$", re.MULTILINE
)
PERMISSIONS = {
    account: dict(zip(("configure", "write", "read"), patterns, strict=True))
    for account, *patterns in COMMAND.findall((ROOT / "docs/permissions-and-tls.md").read_text())
}
NOTHING = "^$"
LETTERS = "task_queue.dead_letters"


class Accounts:
    """The three accounts in the virtual host of ``broker``, with the permissions as printed."""

    def __init__(self, node: RabbitMQ, broker: Broker) -> None:
        self.node = node
        self.broker = broker
        for account in PERMISSIONS:
            node.management.call("PUT", f"/users/{account}", {"password": "secret", "tags": ""})
            self.permit(account)

    def permit(self, account: str, *, without: str | None = None) -> None:
        """Give ``account`` what is printed, with one part taken away."""
        permissions = {**PERMISSIONS[account], **({without: NOTHING} if without else {})}
        path = f"/permissions/{self.broker.virtual_host}/{account}"
        self.node.management.call("PUT", path, permissions)

    def url(self, account: str) -> str:
        """Return the broker's URL for ``account``."""
        return self.broker.url.replace("guest:guest", f"{account}:secret")


@pytest.fixture(params=["arguments", "policy"])
def ownership(request: pytest.FixtureRequest) -> str:
    """Who owns the queue's properties."""
    return str(request.param)


def test_producer_and_worker_do_all_their_work_with_what_is_printed(
    node: RabbitMQ, ownership: str, request: pytest.FixtureRequest, workers: WorkerFactory
) -> None:
    """Over an empty virtual host: tasks, delays, and what becomes a dead letter."""
    name = {"arguments": "broker", "policy": "quorum_by_default"}[ownership]
    broker: Broker = request.getfixturevalue(name)
    accounts = Accounts(node, broker)
    worker = workers("one", accounts.url("worker"), environment={"WORK_QUEUE_OWNERSHIP": ownership})
    app = new_app(accounts.url("producer"), work_queue_ownership=ownership)

    app.send_task("tasks.messages.process_message", ("now",))
    app.send_task("tasks.messages.process_message", ("later",), countdown=1)
    app.send_task("tasks.messages.nobody_knows_it")

    wait_until(worker.done, lambda done: set(done) == {"now", "later"}, what="both tasks are done")
    wait_until(lambda: broker.waiting(LETTERS), what="the unknown task is a dead letter")


def test_an_operator_does_all_with_what_is_printed_and_is_told_what_is_missing(
    node: RabbitMQ, broker: Broker, workers: WorkerFactory, tmp_path: Path
) -> None:
    """Each command needs its part, and says in one line which access was refused."""
    accounts = Accounts(node, broker)
    workers("one", accounts.url("worker"))
    new_app(accounts.url("producer")).send_task("tasks.messages.nobody_knows_it")
    wait_until(lambda: broker.waiting(LETTERS), what="the unknown task is a dead letter")
    letters = ("workqueue", "dead-letters")

    for part, command in (
        ("configure", ("inspect", "ping")),
        ("write", (*letters, "replay", "--all")),
        ("read", (*letters, "list")),
    ):
        accounts.permit("operator", without=part)
        done = operate(accounts, *command)
        assert done.returncode != 0, (part, done.stdout)
        assert "ACCESS_REFUSED" in done.stderr, (part, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
    assert broker.waiting(LETTERS) == 1, "a letter was lost"

    accounts.permit("operator")
    assert "one@localhost: OK" in operate(accounts, "inspect", "ping").stdout
    assert "nobody_knows_it" in operate(accounts, *letters, "list").stdout
    with Flower(accounts.url("operator"), tmp_path) as flower:
        new_app(accounts.url("producer")).send_task("tasks.messages.process_message", ("seen",))
        wait_until(
            flower.api.tasks, lambda tasks: "SUCCESS" in tasks.values(), what="Flower sees a task"
        )
    assert "Replayed 1" in operate(accounts, *letters, "replay", "--all").stdout
    wait_until(lambda: broker.waiting(LETTERS), what="it is a dead letter again")
    assert "Removed 1" in operate(accounts, *letters, "purge", "--all", "--yes").stdout
    assert "Obeyed by one@localhost" in operate(accounts, "workqueue", "pause").stdout
    paused = operate(accounts, "workqueue", "status")
    assert "Paused since" in paused.stdout, paused.stderr
    assert "goes on; it was paused" in operate(accounts, "workqueue", "resume").stdout


@pytest.mark.own_machine
def test_a_worker_with_one_part_less_ends_with_one_line(
    node: RabbitMQ, broker: Broker, tmp_path: Path
) -> None:
    """It says what was refused, and what to do; it does not try the same again for ever."""
    accounts = Accounts(node, broker)
    for part in ("configure", "write", "read"):
        accounts.permit("worker", without=part)
        with Worker(part, accounts.url("worker"), tmp_path) as worker:
            assert worker.wait_end() != 0
        log = worker.log()
        told = re.findall(r"CRITICAL.*does not permit what a worker does: ACCESS_REFUSED.*", log)
        assert len(told) == 1, log
        assert "set_permissions" in told[0]
        assert "worker:secret" not in log
        assert "Traceback" not in log


def test_a_producer_with_one_part_less_is_told_so(
    node: RabbitMQ, broker: Broker, workers: WorkerFactory
) -> None:
    """Without a queue, without writing, without the reading that a delay needs: one error each."""
    accounts = Accounts(node, broker)
    url = accounts.url("producer")
    assert PERMISSIONS["producer"]["configure"] == NOTHING
    told = refused(url)
    assert isinstance(told, Unroutable), "there is no queue yet"
    assert "a worker does it as it starts" in str(told)

    workers("one", accounts.url("worker"))
    accounts.permit("producer", without="write")
    told = refused(url)
    assert isinstance(told, Refused)
    assert "'amq.default'" in str(told)
    assert "set_permissions" in str(told)

    accounts.permit("producer", without="read")
    told = refused(url, countdown=1)
    assert isinstance(told, Refused)
    assert "'celery_delayed_" in str(told)
    assert "set_permissions" in str(told)

    least = {"configure": NOTHING, "write": r"^amq\.default$", "read": NOTHING}
    node.management.call("PUT", f"/permissions/{broker.virtual_host}/producer", least)
    kombu.pools.reset()
    new_app(url).send_task("tasks.messages.process_message", ("with the least of all",))


def new_app(url: str, **configuration: object) -> Celery:
    """Return an app of a producer."""
    app = Celery("producer", broker=url, set_as_current=False)
    app.conf.update(configuration)
    plugin.install(app)
    return app


def refused(url: str, **options: object) -> PublishError:
    """Return what a publish raises; over a new connection, for the broker remembers permissions."""
    kombu.pools.reset()
    with pytest.raises(PublishError) as raised:
        new_app(url).send_task("tasks.messages.process_message", ("Message 0",), **options)
    return raised.value


def operate(accounts: Accounts, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what ``celery -A proj`` did and printed for the operator."""
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", "proj", *arguments],
        env={**os.environ, "CELERY_BROKER_URL": accounts.url("operator")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

"""``docker compose up`` in a fresh clone, with the README's own commands."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from tests.support.composed import Composed
from tests.support.flower import FlowerAPI
from tests.support.processes import end_group, start_group
from tests.support.waiting import wait_until
from tests.support.worker import ROOT

TEN = [f"Message {number}" for number in range(10)]
SUPPORT = ROOT / "tests" / "support"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """A fresh clone in which the README's commands for Compose have run, one after the other."""
    with Composed(tmp_path_factory.mktemp("clone")) as clone:
        section = (clone.folder / "README.md").read_text().split("## With Docker Compose")[1]
        for command in re.findall(r"^\$ (.+)$", section.split("```")[1], re.MULTILINE):
            done = clone.run(command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        yield clone


def test_it_does_not_start_without_secrets(tmp_path: Path) -> None:
    """Without ``.env`` nothing starts, and it says what to run."""
    with Composed(tmp_path) as clone:
        refused = clone.run("docker compose up --detach")

        assert refused.returncode != 0
        assert "run make env" in refused.stderr


def test_the_readmes_commands_do_ten_messages(composed: Composed) -> None:
    """Each of the ten is done once, by three workers that are healthy."""
    done = wait_until(
        composed.done, lambda done: sum(map(Counter.total, done.values())) == 10, what="ten done"
    )
    health = composed.run("docker compose ps --format '{{.Service}} {{.Health}}'").stdout.split(
        "\n"
    )

    assert sum(done.values(), Counter()) == Counter(TEN)
    assert Counter(health)["worker healthy"] == 3


def test_secrets_are_made_once_and_for_their_owner_alone(composed: Composed) -> None:
    """``make env`` again changes nothing; nobody else may read the file."""
    before = (composed.folder / ".env").read_text()
    assert composed.run("make env").returncode == 0

    assert (composed.folder / ".env").read_text() == before
    assert (composed.folder / ".env").stat().st_mode & 0o777 == 0o600


def test_flower_shows_workers_tasks_and_states(composed: Composed) -> None:
    """Its API knows three workers, the ten tasks, and the length of both queues."""
    url = f"http://127.0.0.1:{composed.ports['FLOWER_PORT']}"
    flower = FlowerAPI(url, composed.secret("FLOWER_LOGIN"))
    states = wait_until(
        flower.tasks, lambda tasks: list(tasks.values()) == ["SUCCESS"] * 10, what="ten tasks"
    )
    workers = flower.get("/api/workers?refresh=true")
    # It gives the management API two seconds, and shows no queue where that takes longer.
    wait_until(
        lambda: {queue["name"] for queue in flower.get("/api/queues/length")["active_queues"]},
        lambda names: names == {"task_queue", "task_queue.dead_letters"},
        what="Flower shows both queues",
    )

    assert set(states) == {f"('{message}',)" for message in TEN}
    assert len(workers) == 3
    assert all(worker["stats"] for worker in workers.values())


def test_plain_clients_share_the_queue(composed: Composed, tmp_path: Path) -> None:
    """The tutorial's own producer and consumer, unchanged, next to our workers; none is lost."""
    messages = [f"Plain {number}." for number in range(14)]
    with (tmp_path / "consumer").open("wb") as output:
        consumer = start_group(
            [sys.executable, "-u", SUPPORT / "plain_consumer.py", composed.url("worker")],
            environment=composed.environment,
            folder=tmp_path,
            output=output,
        )
    try:
        log = (tmp_path / "consumer").read_text
        wait_until(log, lambda text: "Waiting for messages" in text, what="the consumer is ready")
        producer = [sys.executable, SUPPORT / "plain_producer.py", composed.url("producer")]
        subprocess.run([*producer, *messages], check=True, capture_output=True)

        def done() -> Counter[str]:
            finished = re.findall(r"Received '(.*)'\n \[x\] Done", log())
            ours = sum(composed.done().values(), Counter())
            return Counter(finished) + Counter(
                {body: count for body, count in ours.items() if body.startswith("Plain")}
            )

        wait_until(done, lambda counts: counts == Counter(messages), what="all are done once")
        assert 0 < log().count("Done") < len(messages)
    finally:
        end_group(consumer)


def test_policies_and_types_come_from_the_definitions(composed: Composed) -> None:
    """Both queues are quorum queues declared bare; a policy dead-letters, and keeps letters."""
    work_queue, letters = (
        _queue(composed, name) for name in ("task_queue", "task_queue.dead_letters")
    )

    assert work_queue["arguments"] == letters["arguments"] == {"x-queue-type": "quorum"}
    assert work_queue["effective_policy_definition"] == {
        "dead-letter-exchange": "",
        "dead-letter-routing-key": "task_queue.dead_letters",
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }
    assert letters["effective_policy_definition"] == {"delivery-limit": -1}


def test_a_failed_message_is_a_dead_letter(composed: Composed) -> None:
    """What a worker cannot run is listed and removed by the one-off ``workqueue``."""
    with pika.BlockingConnection(pika.URLParameters(composed.url("producer"))) as connection:
        connection.channel().basic_publish(
            "", "task_queue", b"{", pika.BasicProperties(headers={"task": "no.such", "id": "1"})
        )
    letters = "docker compose run --rm workqueue dead-letters"
    wait_until(
        lambda: composed.run(f"{letters} list").stdout,
        lambda text: "1 dead letters" in text,
        what="the letter is listed",
    )
    assert composed.run(f"{letters} purge --all --yes").returncode == 0
    assert composed.run(f"{letters} list").returncode == 0


def test_the_doctor_finds_what_docs_deploy_tells(composed: Composed) -> None:
    """For the operator's account, which is no administrator's: two findings, no other."""
    found = json.loads(composed.run("docker compose run --rm workqueue doctor --json").stdout)

    assert {each["name"] for each in found["findings"]} == {"no-tls", "time-limit-missing"}


def test_a_worker_pauses_an_operator_resumes_and_nothing_is_refused(composed: Composed) -> None:
    """Both accounts may; no worker was refused anything."""
    paused = composed.run("docker compose exec -T worker celery -A proj workqueue pause")
    resumed = composed.run("docker compose run --rm workqueue resume")

    assert (paused.returncode, resumed.returncode) == (0, 0), paused.stderr + resumed.stderr
    assert "REFUSED" not in composed.run("docker compose logs worker").stdout


@pytest.mark.parametrize("user", ["producer", "operator", "flower"])
def test_only_a_worker_reads_the_work_queue(composed: Composed, user: str) -> None:
    """A producer, an operator and Flower are refused."""
    with pika.BlockingConnection(pika.URLParameters(composed.url(user))) as connection:
        channel = connection.channel()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            channel.basic_get("task_queue")


@pytest.mark.parametrize("user", ["producer", "operator", "flower", "worker"])
def test_nobody_makes_other_queues(composed: Composed, user: str) -> None:
    """A queue of another name is refused."""
    with pika.BlockingConnection(pika.URLParameters(composed.url(user))) as connection:
        channel = connection.channel()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            channel.queue_declare("other", durable=True)


def test_there_is_no_guest(composed: Composed) -> None:
    """The default user does not exist."""
    url = re.sub("//.*@", "//guest:guest@", composed.url("worker"))

    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(pika.URLParameters(url))


def test_containers_run_without_rights(composed: Composed) -> None:
    """The image's user is not root."""
    assert composed.run("docker compose exec -T worker id -u").stdout.strip() not in {"", "0"}


def test_ports_are_on_the_loopback_interface_only(composed: Composed) -> None:
    """Nothing is published to the network; Prometheus finds its metrics on this machine."""
    shown = composed.run("docker compose ps --format '{{.Ports}}'").stdout
    published = re.findall(r"(\S+):\d+->", shown)

    assert len(published) == 4
    assert set(published) == {"127.0.0.1"}
    metrics = f"http://127.0.0.1:{composed.ports['PROMETHEUS_PORT']}/metrics"
    with urllib.request.urlopen(metrics, timeout=10) as answer:
        assert b"rabbitmq_queue_messages_ready" in answer.read()


def test_a_new_broker_container_knows_what_the_old_one_knew(composed: Composed) -> None:
    """Messages, and what an administrator has changed, are in the volume; nothing is reset."""
    composed.run("docker compose stop worker")
    stopped = composed.run("docker compose ps --all --format '{{.ExitCode}}' worker").stdout
    assert stopped.split() == ["0", "0", "0"]
    assert composed.run("docker compose run --rm producer Kept").returncode == 0
    definition = {"delivery-limit": 1000}
    changed = {"pattern": "^task_queue\\.dead_letters$", "definition": definition}
    _administer(composed, "policies/work/dead_letters", changed)
    composed.run("docker compose kill rabbitmq; docker compose rm --force rabbitmq")
    replaced = composed.run("docker compose up --detach --wait")
    assert replaced.returncode == 0, replaced.stderr

    wait_until(
        composed.done,
        lambda done: "Kept" in sum(done.values(), Counter()),
        what="the message that waited is done",
    )
    letters = _queue(composed, "task_queue.dead_letters")
    assert letters["effective_policy_definition"] == definition


def _queue(composed: Composed, name: str) -> dict[str, Any]:
    return dict(_administer(composed, f"queues/work/{name}"))


def _administer(composed: Composed, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return the management API's answer to the administrator; with ``body`` it is a PUT."""
    login = f"administrator:{composed.secret('ADMINISTRATOR_PASSWORD')}"
    request = urllib.request.Request(
        f"http://127.0.0.1:{composed.ports['MANAGEMENT_PORT']}/api/{path}",
        method="GET" if body is None else "PUT",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Basic " + base64.b64encode(login.encode()).decode()},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "null")

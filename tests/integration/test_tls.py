"""``amqps``: the broker proves who it is, the client too, and nothing ever goes without TLS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import kombu.pools
import pytest
from celery import Celery

from proj import plugin
from proj.errors import BrokerUntrusted, SettingsError
from tests.support.certificates import Certificates
from tests.support.flower import Flower
from tests.support.ports import free_ports
from tests.support.producer import run_producer
from tests.support.rabbitmq_node import RabbitMQNode
from tests.support.waiting import wait_until
from tests.support.worker import ROOT, Worker

pytestmark = pytest.mark.own_machine

TLS_ONLY_WITH_CERTIFICATES = """\
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {certificate}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""

REFUSALS = {
    "another authority": "CERTIFICATE_VERIFY_FAILED",
    "another host": "not valid for '127.0.0.1'",
    "expired": "certificate has expired",
    "no certificate of ours": "ALERT",
    "our certificate of another authority": "ALERT_UNKNOWN_CA",
    "a broker without TLS": "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE",
}


@dataclass
class Secured:
    """A broker, how to reach it, and the files of its authority and of another one."""

    node: RabbitMQNode
    port: int
    ours: Certificates
    others: Certificates
    client: Path

    @property
    def url(self) -> str:
        """The URL without any option."""
        return f"amqps://guest:guest@localhost:{self.port}//"

    @property
    def options(self) -> dict[str, str]:
        """``broker_use_ssl``."""
        client = str(self.client)
        return {
            "ca_certs": str(self.ours.authority_file),
            "certfile": client,
            "keyfile": client,
        }

    @property
    def url_with_options(self) -> str:
        """The same in the URL alone, as the environment gives it to every program."""
        return self.url + "?" + "&".join(f"ssl_{key}={told}" for key, told in self.options.items())

    def present(self, certificate: Path) -> None:
        """Let the broker prove itself by ``certificate`` from now on."""
        (self.ours.folder / "broker.pem").write_bytes(certificate.read_bytes())
        self.node.control("eval", "ssl:clear_pem_cache().")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker whose certificate is made out to localhost, and that asks for the client's."""
    folder = tmp_path_factory.mktemp("certificates")
    ours, others = Certificates(folder / "ours"), Certificates(folder / "others")
    [port] = free_ports(1)
    configuration = TLS_ONLY_WITH_CERTIFICATES.format(
        port=port, ca=ours.authority_file, certificate=ours.issue("broker")
    )
    with RabbitMQNode(configuration=configuration) as node:
        yield Secured(node, port, ours, others, ours.issue("client", host="client"))
        kombu.pools.reset()


def test_worker_producer_inspect_and_flower_work_over_tls(secured: Secured, tmp_path: Path) -> None:
    """One value of CELERY_BROKER_URL is all that any of them is given."""
    url = secured.url_with_options
    with Worker("one", url, tmp_path) as worker, Flower(url, tmp_path) as flower:
        worker.wait_ready()
        assert run_producer("Message 0", broker_url=url).returncode == 0
        worker.wait_for_log(r"\[x\] Done")
        pinged = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "proj", "inspect", "ping"],
            env={**os.environ, "CELERY_BROKER_URL": url},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "one@localhost: OK" in pinged.stdout, pinged.stdout + pinged.stderr
        wait_until(
            lambda: flower.api.get("/api/workers?refresh=1"),
            lambda workers: "one@localhost" in workers,
            what="Flower shows the worker",
        )
        wait_until(flower.api.tasks, what="Flower was sent events")
        connections = wait_until(
            lambda: secured.node.management.call("GET", "/connections"),
            what="the management API lists the connections",
        )
    assert all(each["ssl"] for each in connections), "a connection was without TLS"


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_not_trusted_is_one_error_at_once(secured: Secured, case: str) -> None:
    """Nobody waits for the deadline, and nobody goes on without TLS."""
    options, url = secured.options, secured.url
    other = str(secured.others.issue("client", host="client"))
    if case == "another authority":
        options["ca_certs"] = str(secured.others.authority_file)
    elif case == "another host":
        url = url.replace("localhost", "127.0.0.1")
    elif case == "expired":
        secured.present(secured.ours.issue("expired", expired=True))
    elif case == "no certificate of ours":
        options = {"ca_certs": options["ca_certs"]}
    elif case == "our certificate of another authority":
        options.update(certfile=other, keyfile=other)
    else:
        url = url.replace(str(secured.port), str(secured.node.port))
    began = time.monotonic()
    try:
        with pytest.raises(BrokerUntrusted, match=REFUSALS[case]) as raised:
            new_app(url, options).send_task("echo", task_id="the-id", publish_deadline_seconds=60)
        took_seconds = time.monotonic() - began
    finally:
        if case == "expired":
            secured.present(secured.ours.issue("valid"))

    assert took_seconds < 30
    assert "nothing goes without TLS" in str(raised.value)
    assert "guest:guest" not in str(raised.value)
    assert raised.value.task_id == "the-id"


def test_an_amqps_url_alone_asks_for_a_certificate_that_the_system_knows(secured: Secured) -> None:
    """Nothing has to be switched on: the test's own authority is unknown, and so refused."""
    with pytest.raises(BrokerUntrusted, match="CERTIFICATE_VERIFY_FAILED"):
        new_app(secured.url, None).send_task("echo")


def test_a_worker_ends_with_one_line(secured: Secured, tmp_path: Path) -> None:
    """The broker that it was given is not the one: nothing to try again."""
    url = f"{secured.url}?ssl_ca_certs={secured.others.authority_file}"
    with Worker("one", url, tmp_path) as worker:
        assert worker.wait_end() != 0
    assert worker.log().count("No TLS connection to the broker") == 1
    assert "Traceback" not in worker.log()


def test_an_option_that_does_not_exist_is_named(secured: Secured) -> None:
    """A misspelt one verifies nothing, and py-amqp would end with a ``TypeError``."""
    app = new_app(f"{secured.url}?ssl_cacerts=/nowhere/ca.pem", {})
    with pytest.raises(SettingsError, match=r"ssl_cacerts: .* no such option; expected ca_certs"):
        app.send_task("echo")


def test_a_file_that_is_not_there_is_named(secured: Secured) -> None:
    """Python's own error says neither which file nor which setting."""
    app = new_app(secured.url, {"ca_certs": "/nowhere/ca.pem"})
    with pytest.raises(SettingsError, match=r"ca_certs: .*'/nowhere/ca.pem'"):
        app.send_task("echo")


def test_of_several_hosts_the_first_that_is_trusted_is_taken(secured: Secured) -> None:
    """Each is checked by its own name, and one with a wrong certificate does not stop the rest."""
    wrong = secured.url.replace("localhost", "127.0.0.1")
    app = new_app(f"{wrong};{secured.url}", {**secured.options, "server_hostname": None})  # type: ignore[dict-item]

    with app.connection() as connection:
        app.amqp.default_queue.bind(connection.default_channel).declare()
    app.send_task("echo")


def new_app(url: str, options: dict[str, str] | None) -> Celery:
    """Return an app of a user who sets ``broker_use_ssl``."""
    app = Celery("tls", broker=url, set_as_current=False)
    app.conf.broker_use_ssl = options
    plugin.install(app)
    return app

"""The example sites under real servers, with a real browser, and a broker that is restarted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page

from tests.support.browser import browse
from tests.support.example_site import TABLES, ExampleSite
from tests.support.rabbitmq import RabbitMQ, new_rabbitmq
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.own_machine, pytest.mark.timeout(240)]

CLIENTS = 16
ENOUGH = 4 * CLIENTS
PAUSE_SECONDS = 0.2
"""Between two orders of one client: the machine is to have time for the broker's start too."""


@pytest.fixture(scope="module")
def restarted() -> Iterator[RabbitMQ]:
    """One RabbitMQ for both sites, which the tests restart."""
    with new_rabbitmq() as running:
        yield running


class Crowd:
    """Clients that order parcels, one after the other each; none of their requests may fail."""

    def __init__(self, site: ExampleSite) -> None:
        self.site = site
        self.ordered: list[str] = []
        self._enough = threading.Event()

    @contextmanager
    def ordering(self) -> Iterator[None]:
        """Let them order while this lasts; raises what a request of theirs raised."""
        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(self._order) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                self._enough.set()
        for client in clients:
            client.result()

    def wait_for_orders(self, count: int) -> None:
        """Return once ``count`` more were ordered."""
        goal = len(self.ordered) + count
        wait_until(
            lambda: len(self.ordered),
            lambda ordered: ordered >= goal,
            what=f"{goal} parcels are ordered",
            timeout_seconds=60,
        )

    def _order(self) -> None:
        with requests.Session() as client:
            while not self._enough.is_set():
                self.ordered.append(self.site.order(client, "Elm Street"))
                time.sleep(PAUSE_SECONDS)


@pytest.mark.parametrize("module", TABLES)
def test_no_request_fails_and_no_parcel_is_lost_while_the_broker_restarts(
    module: str, restarted: RabbitMQ, tmp_path: Path
) -> None:
    """16 clients and a browser order while RabbitMQ is killed and started again.

    Every request is answered well, and every parcel that was accepted is packed. Django's outbox
    accepts parcels while there is no broker; Flask's pages wait for it.
    """
    name = module.rpartition(".")[2]
    restarted.add_virtual_host(name)
    site = ExampleSite(module, tmp_path, restarted.url(name))
    crowd = Crowd(site)
    with site.running(), browse(site.url, None, tmp_path) as show:
        with crowd.ordering():
            crowd.wait_for_orders(ENOUGH)
            restarted.wait_registered("task_queue", "task_queue.dead_letters")
            # Before: without a broker, Flask's pages are soon all taken up by waiting for it.
            page = _filled_in(show, "Oak Street")
            restarted.kill()
            page.click("button", no_wait_after=True)
            if module == "examples.django_site":
                crowd.wait_for_orders(CLIENTS)
                _see(page, ".waiting", tmp_path / "waiting.png")
            restarted.start()
            crowd.wait_for_orders(ENOUGH)
        _see(page, ".done", tmp_path / "done.png")

        expected = Counter(done=len(crowd.ordered) + 1)
        wait_until(
            site.states, lambda states: states == expected, what=f"the parcels are {expected}"
        )
        assert len(set(crowd.ordered)) == len(crowd.ordered)
    assert "Connection to broker lost" in site.log(), site.log()


@pytest.mark.parametrize("module", TABLES)
def test_a_person_sees_what_became_of_a_parcel(module: str, tmp_path: Path) -> None:
    """On the embedded broker, as one command starts it: waiting, in work, done, dead and why.

    What the page says about running it again is true.
    """
    site = ExampleSite(module, tmp_path, broker_url=None)
    with site.running(), browse(site.url, None, tmp_path) as show:
        page = _filled_in(show, "Elm Street 5...")
        page.click("button", no_wait_after=True)
        wait_until(site.states, lambda states: states["in work"], what="the parcel is in work")
        with site.frozen_worker():
            _see(page, ".in-work", tmp_path / "in-work.png")
            _filled_in(show, "Oak Street 7.")
            page.click("button")
            _see(page, ".waiting", tmp_path / "waiting.png")
        _see(page, ".done", tmp_path / "done.png")
        _filled_in(show, "Nowhere 1")
        page.click("button")
        _see(page, ".dead", tmp_path / "dead.png")
        assert page.inner_text(".reason") == "ValueError: no such address: Nowhere 1"
        command = page.inner_text("pre")
        show("", "index", ".dead")
        assert page.locator(".done").count() == 2

        assert "Replayed 1" in site.run(command)


def _filled_in(show: Callable[..., Page], address: str) -> Page:
    page = show("", "form", "form")
    page.fill("input[name=address]", address)
    return page


def _see(page: Page, selector: str, picture: Path) -> None:
    try:
        page.wait_for_selector(selector, timeout=30_000)
    finally:
        page.screenshot(path=picture)

"""The system's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, sync_playwright

__all__ = ["browse"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def browse(url: str, login: str | None, pictures: Path) -> Iterator[Callable[..., Page]]:
    """Give ``show(path, name, *selectors)``: open a page of the site ``url``, logged in.

    It returns the page once all ``selectors`` are seen, with a picture of it in ``pictures``. At
    the end it fails where a page has logged an error, or asked for what it did not get.
    """
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        user, _, password = (login or "").partition(":")
        credentials = {"username": user, "password": password} if login else None
        page = browser.new_page(http_credentials=credentials)
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: line.type == "error" and problems.append(line.text))
        page.on("requestfailed", lambda request: problems.extend(_failure(request)))

        def show(path: str, name: str, *selectors: str) -> Page:
            page.goto(url + path)
            try:
                for selector in selectors:
                    page.wait_for_selector(selector)
            finally:
                page.screenshot(path=pictures / f"{name}.png", animations="disabled")
            return page

        yield show
        browser.close()
    assert problems == []


def _failure(request: Request) -> Iterator[str]:
    # What a page had not got when the next one was opened is no failure.
    if request.failure != "net::ERR_ABORTED":
        yield f"{request.url}: {request.failure}"


def _chromium() -> str:
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.fail(
        "No Chromium was found. Debian: apt-get install chromium; Fedora: dnf install chromium; "
        "Ubuntu: snap install chromium; macOS: brew install --cask chromium."
    )

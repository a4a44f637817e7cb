"""The system's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

__all__ = ["browser_page"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def browser_page(**options: Any) -> Iterator[Page]:
    """Give a page of a browser, made with Playwright's ``options`` of ``new_page``.

    At the end it fails where a page has logged an error, or asked for something that did not come.
    """
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=ARGUMENTS)
        page = browser.new_page(**options)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: line.type == "error" and problems.append(line.text))
        page.on("requestfailed", lambda request: problems.append(f"{request.url} failed"))
        yield page
        browser.close()
    assert problems == []


def _chromium() -> str:
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.fail(
        "No Chromium was found. Debian: apt-get install chromium; Fedora: dnf install chromium; "
        "Ubuntu: snap install chromium; macOS: brew install --cask chromium."
    )

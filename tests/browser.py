"""The system's Chromium, and what every page of the dashboard must be: quiet, at home, usable by everybody."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

WAIT_MS = 60_000
# A camera that shows a drawing.
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SERIOUS = {"serious", "critical"}
# What the browser logs of its own accord about an answer that a page deals with.
OF_THE_BROWSER = "Failed to load resource"


def find_chromium() -> str:
    """The browser to drive; the test is skipped where there is none."""
    found = os.environ.get("BROWSER_PATH") or shutil.which("chromium")
    if not found:
        pytest.skip("no chromium: none on PATH, and BROWSER_PATH names none")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser."""
    expect.set_options(timeout=WAIT_MS)
    path = find_chromium()
    with sync_playwright() as playwright:
        # In a container, root has no other sandbox than the container.
        arguments = [*CAMERA, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A tab of somebody who has never been here; it fails where a script fails or another host is asked."""
    context = browser.new_context(base_url=url, **options)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if _is_fault(said.type, said.text) else None)
    page.on("request", lambda asked: faults.append(asked.url) if _is_elsewhere(asked.url, url) else None)
    yield page
    context.close()
    assert faults == [], faults


def violations(page: Page) -> list[str]:
    """What axe finds that keeps people out, each with the element."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


def overflows(page: Page) -> bool:
    """Whether the page has to be moved sideways to be read."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def _is_fault(kind: str, text: str) -> bool:
    return kind == "error" and not text.startswith(OF_THE_BROWSER)


def _is_elsewhere(address: str, url: str) -> bool:
    there = urlsplit(address)
    return there.scheme not in {"blob", "data"} and there.netloc != urlsplit(url).netloc

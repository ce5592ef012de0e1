"""What a page of somebody else can do to a person who is signed in here: nothing.

The other page is on another port of this machine. For a browser that is the same site, so it sends the cookie
along: the worst case.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser import WAIT_MS
from tests.e2e.acts import sign_in

PAGE = b"<!doctype html><title>Win a prize</title><h1>Win a prize</h1>"
FORM = """(address) => {
  const form = document.createElement("form");
  Object.assign(form, {method: "post", action: address, enctype: "text/plain"});
  form.innerHTML = '<input name=\\'{"parameters":{}, "x":"\\' value=\\'"}\\'>';
  document.body.append(form);
  form.submit();
}"""
FETCH = """async ([address, headers]) => {
  try {
    const answer = await fetch(address, {method: "POST", credentials: "include", headers});
    return `answered ${answer.status}`;
  } catch (error) { return "nothing came through"; }
}"""
FRAME = """(address) => {
  const frame = document.createElement("iframe");
  frame.src = address;
  document.body.append(frame);
}"""


class Other(BaseHTTPRequestHandler):
    """The other page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[str]:
    """The address of the other page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def victim(browser: Browser, url: str, token: str, other: str) -> Iterator[Page]:
    """Somebody who is signed in here, and now looks at the other page."""
    context = browser.new_context(base_url=url)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(url)
    sign_in(page, token)
    page.goto(other)
    yield page
    context.close()


def runs(url: str) -> int:
    return len(requests.get(f"{url}/v1/runs", timeout=60).json()["runs"])


def test_a_form_is_refused(victim: Page, url: str) -> None:
    before = runs(url)
    victim.evaluate(FORM, f"{url}/v1/retrain")
    expect(victim.locator("body")).to_contain_text("unauthorized")
    assert runs(url) == before


@pytest.mark.parametrize("headers", [{}, {"X-Binocular": "dashboard"}])
def test_a_request_by_script_does_nothing(victim: Page, url: str, headers: dict[str, str]) -> None:
    before = runs(url)
    assert victim.evaluate(FETCH, [f"{url}/v1/retrain", headers]) == "nothing came through"
    assert runs(url) == before


def test_the_dashboard_is_not_shown_in_a_frame(victim: Page, url: str) -> None:
    victim.evaluate(FRAME, url)
    expect(victim.locator("iframe")).to_be_attached()
    victim.wait_for_load_state("networkidle")
    assert victim.frames[-1].locator(".brand").count() == 0

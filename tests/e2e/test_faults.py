"""When something is gone, the pages say so, keep what the person did, and go on by themselves."""

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.acts import sign_in
from tests.machine import Machine

pytestmark = pytest.mark.usefixtures("tidy")


def test_while_the_model_server_hangs_a_photo_waits_and_is_asked_about_again(
    page: Page, photos: Path, machine: Machine
) -> None:
    page.goto("/")
    expect(page.locator(".model-state")).to_contain_text("answers")
    pid = machine.pid("model")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        page.locator("input[type=file]").first.set_input_files(next((photos / "glass").iterdir()))
        expect(page.get_by_role("article")).to_contain_text("asked again by itself")
        expect(page.locator(".model-state")).to_contain_text("does not answer")
        expect(page.get_by_text("the model server does not answer with it")).to_be_visible()
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(page.locator(".label")).to_be_visible()
    expect(page.locator(".model-state")).to_contain_text(re.compile(r"version \d+ answers"))


def test_while_the_gateway_is_gone_a_banner_says_so(page: Page) -> None:
    page.goto("/data")
    expect(page.get_by_role("row", name="glass")).to_be_visible()
    page.context.set_offline(True)
    expect(page.locator(".banner")).to_contain_text("does not answer")
    expect(page.get_by_role("row", name="glass")).to_be_visible()
    # However often it is pressed, each question is asked once at a time.
    asked = page.evaluate(
        """() => {
            const asked = [], real = window.fetch;
            window.fetch = (path, options) => { asked.push(path); return real(path, options); };
            for (const _ of [1, 2, 3]) document.querySelector(".banner button").click();
            window.fetch = real;
            return asked;
        }"""
    )
    assert len(asked) == len(set(asked))
    page.context.set_offline(False)
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".banner")).to_have_count(0)


def test_a_session_that_ended_is_opened_again_without_losing_what_was_begun(
    page: Page, photos: Path, token: str
) -> None:
    page.goto("/data")
    sign_in(page, token)
    page.context.clear_cookies()
    with page.expect_file_chooser() as opened:
        page.get_by_role("button", name="Photos of one class").click()
    opened.value.set_files(sorted((photos / "glass").iterdir())[:2])
    page.get_by_label("What do these 2 photos show?").fill("glass")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Add 2 photos").click()
    page.get_by_role("dialog").get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 photos added")).to_be_visible()


def test_a_page_that_is_not_there_leads_back(page: Page) -> None:
    page.goto("/runs/00000000-0000-0000-0000-000000000000")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("link", name="Try it").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What does it show?")

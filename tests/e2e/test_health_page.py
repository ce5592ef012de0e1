"""Health as a person reads it: what answers, what was asked, and how it went."""

import os
import re
import signal
from pathlib import Path

import requests
from playwright.sync_api import Page, expect

from tests.machine import Machine

KIND = {"Content-Type": "application/octet-stream"}


def test_what_was_asked_is_in_the_figures_and_curves(page: Page, url: str, photos: Path) -> None:
    requests.post(f"{url}/v1/predict", next((photos / "glass").iterdir()).read_bytes(), headers=KIND, timeout=60)
    requests.post(f"{url}/v1/predict", b"no image", headers=KIND, timeout=60)
    page.goto("/health")
    tiles = page.locator(".tiles")
    expect(tiles).to_contain_text("refused for what was sent")
    expect(tiles).to_contain_text(re.compile(r"\d+ like nothing it learnt from, \d+ unsure"))
    expect(page.get_by_role("img", name="Requests a minute. answered: ")).to_be_visible()
    expect(page.get_by_role("img", name="Time to answer. p50: from")).to_be_visible()
    expect(page.get_by_role("list", name="Predictions by label").get_by_role("listitem").first).to_contain_text(
        "%"
    )
    expect(page.get_by_role("img", name="How sure it was.")).to_be_visible()
    counted = int(tiles.locator("dd").first.inner_text().replace(",", ""))
    assert counted >= 2
    page.get_by_text("As numbers").first.click()
    expect(page.get_by_role("table", name="Requests a minute").get_by_role("row").nth(1)).to_be_visible()

    page.get_by_role("button", name="Last day").click()
    expect(page.get_by_role("img", name="Requests in 10 minutes. answered: ")).to_be_visible()
    expect(page.get_by_role("button", name="Last day")).to_have_attribute("aria-pressed", "true")


def test_a_part_that_hangs_is_told_from_those_that_answer(page: Page, machine: Machine) -> None:
    page.goto("/health")
    puller = page.locator(".part-card", has=page.get_by_role("heading", name="Puller"))
    store = page.locator(".part-card", has=page.get_by_role("heading", name="Object store"))
    expect(puller.locator(".badge")).to_have_text("answers")
    pid = machine.pid("puller")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(puller.locator(".badge")).to_have_text("does not answer")
        expect(puller).to_contain_text("binocular logs puller")
        expect(store.locator(".badge")).to_have_text("answers")
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(puller.locator(".badge")).to_have_text("answers")

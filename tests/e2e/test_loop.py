"""The whole loop as one person lives it: ask, correct, add, train, watch, and go back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from binocular import registry
from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from tests.e2e.acts import sign_in
from tests.machine import Machine
from tests.servers import wait_until
from tests.stage import TRAINED_WITHIN_S

NAME = "photos"
ENDED = {"SUCCEEDED", "FAILED", "CANCELED"}


def production(machine: Machine) -> int:
    found = registry.production(machine.store(), NAME)
    assert found is not None
    return found.version


@pytest.fixture
def given_back(machine: Machine, url: str) -> Iterator[int]:
    """The version in production, which is there again at the end; no other training goes."""
    wait_until(
        lambda: {run["state"] for run in requests.get(f"{url}/v1/runs", timeout=60).json()["runs"]} <= ENDED,
        TRAINED_WITHIN_S,
    )
    before = production(machine)
    yield before
    if (now := production(machine)) != before:
        registry.promote(machine.store(), NAME, before, by="the tests", why="given back", over=now)


@pytest.mark.usefixtures("tidy")
def test_from_a_wrong_answer_to_a_better_model_and_back(
    page: Page, machine: Machine, given_back: int, tmp_path: Path, token: str
) -> None:
    draw(tmp_path / "more", Spec(images=8, size=64, seed=9))
    [asked, *more] = sorted((tmp_path / "more" / "glass").iterdir())

    page.goto("/")
    sign_in(page, token)
    page.locator("input[type=file]").first.set_input_files(asked)
    card = page.get_by_role("article")
    expect(card.locator(".facts")).to_contain_text(f"version {given_back}")
    card.locator(".correction").get_by_role("button").click()
    card.get_by_label("A new label").fill("glass")
    card.get_by_role("button", name="Use it").click()
    page.get_by_role("link", name="Data").first.click()

    with page.expect_file_chooser() as opened:
        page.get_by_role("button", name="Photos of one class").click()
    opened.value.set_files(more)
    page.get_by_label("What do these 7 photos show?").fill("glass")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Add 7 photos").click()
    expect(page.get_by_role("row", name="glass")).to_contain_text("+8")

    page.get_by_role("button", name="Retrain now").click()
    expect(page.get_by_role("dialog")).to_contain_text("and the 8 that wait")
    expect(page.get_by_role("dialog")).to_contain_text("architecture = small_cnn")
    page.get_by_role("button", name="Start it").click()
    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}$"))
    expect(page.locator(".dag-step.running")).to_have_count(1)
    verdict = page.locator("section", has=page.get_by_role("heading", name="Verdict"))
    expect(verdict).to_contain_text("Promoted", timeout=1000 * TRAINED_WITHIN_S)
    expect(page.locator(".page-head")).to_contain_text("promoted", timeout=1000 * TRAINED_WITHIN_S)
    made = production(machine)
    assert made > given_back
    expect(page.locator(".model-state")).to_contain_text(f"version {made} answers")
    learnt = registry.facts(machine.store(), NAME, made)
    assert learnt.looked
    assert learnt.looked < learnt.created
    page.get_by_role("link", name="Data").first.click()
    expect(page.locator(".data-tile").nth(2)).to_contain_text("0 waiting")

    page.get_by_role("link", name="Models").first.click()
    page.get_by_role("button", name="Roll back to version").click()
    page.get_by_role("dialog").get_by_label("Why?").fill("it was only a test")
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.locator(".model-state")).to_contain_text(f"version {given_back} answers")
    assert production(machine) == given_back
    page.get_by_role("link", name="Data").first.click()
    expect(page.locator(".data-tile").nth(2)).to_contain_text("8 waiting")

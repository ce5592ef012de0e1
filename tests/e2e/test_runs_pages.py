"""Runs as a person follows, reads, compares, starts and cancels them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from binocular.parts import gateway_token, gateway_url
from tests.browser import overflows, violations, visit
from tests.e2e.acts import sign_in
from tests.machine import Machine
from tests.servers import wait_until

TRAINED_WITHIN_S = 600
PHONE = {"width": 360, "height": 740}
STEPS = ["ingest", "validate", "train", "evaluate", "export", "record-rejection"]


def begin(machine: Machine, **parameters: Any) -> str:
    """Start a training; the id of its run."""
    answer = requests.post(
        f"{gateway_url(machine.settings)}/v1/retrain",
        json={"parameters": {"architecture": "small_cnn", **parameters}},
        headers={"Authorization": f"Bearer {gateway_token(machine.settings)}"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["run_id"])


def runs(machine: Machine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{gateway_url(machine.settings)}/v1/runs", timeout=60).json()[
        "runs"
    ]
    return found


def step(page: Page, name: str) -> Locator:
    """A step in the drawing."""
    return page.locator(".dag").get_by_role("button", name=re.compile(rf"^{name} "))


def first(machine: Machine) -> str:
    """The run that made the first version."""
    return next(str(run["id"]) for run in runs(machine) if run.get("version") == 1)


def idle(machine: Machine) -> bool:
    return all(run["state"] in {"SUCCEEDED", "FAILED"} for run in runs(machine))


@pytest.fixture(scope="module")
def turned_away(machine: Machine, photos: Path) -> Iterator[str]:
    """A run that has just begun, and whose candidate will not be good enough."""
    wait_until(lambda: idle(machine), TRAINED_WITHIN_S)
    yield begin(machine, source=str(photos), epochs=1, learning_rate=1e-5, gate={"min_accuracy": 1.0})
    wait_until(lambda: idle(machine), TRAINED_WITHIN_S)


@pytest.fixture
def rejected(machine: Machine, turned_away: str) -> str:
    """The same run when it has ended."""
    wait_until(lambda: idle(machine), TRAINED_WITHIN_S)
    return turned_away


def test_a_run_is_followed_from_its_first_step_to_its_verdict(page: Page, turned_away: str) -> None:
    page.goto(f"/runs/{turned_away}")
    expect(page.locator(".dag-name")).to_have_text(STEPS)
    expect(page.locator(".dag-step.running")).to_have_count(1)
    step(page, "train").click()
    drawer = page.get_by_role("dialog", name="train")
    expect(drawer).to_contain_text("Trains the network")
    page.keyboard.press("Escape")
    expect(step(page, "train")).to_be_focused()

    verdict = page.locator("section", has=page.get_by_role("heading", name="Verdict"))
    expect(verdict).to_contain_text("Rejected", timeout=1000 * TRAINED_WITHIN_S)
    expect(page.locator(".page-head")).to_contain_text("rejected")
    expect(step(page, "export")).to_contain_text("not needed")
    expect(step(page, "record-rejection")).to_contain_text("done")
    expect(verdict.get_by_role("img", name="not passed").first).to_be_visible()


def test_what_a_verdict_rests_on_is_on_the_page(page: Page, rejected: str) -> None:
    page.goto(f"/runs/{rejected}")
    expect(page.get_by_role("row", name="accuracy").first).to_contain_text("%")
    expect(page.locator(".matrix tbody tr")).to_have_count(6)
    expect(page.get_by_role("img", name="Loss. training")).to_be_visible()
    expect(page.get_by_role("img", name="Images of each class. train")).to_be_visible()
    parameters = page.locator("table.parameters.own")
    expect(parameters.get_by_role("row", name="epochs")).to_contain_text("from 0")
    expect(parameters).to_contain_text('{"min_accuracy":1}')


def test_a_step_has_its_log_and_its_report_in_a_sandbox(page: Page, rejected: str, token: str) -> None:
    page.goto(f"/runs/{rejected}")
    step(page, "evaluate").click()
    drawer = page.get_by_role("dialog", name="evaluate")
    drawer.get_by_role("tab", name="Log").click()
    expect(drawer.get_by_role("log")).to_contain_text("Rejected")
    expect(drawer).to_contain_text("The whole log.")
    page.keyboard.press("ArrowRight")
    expect(drawer.get_by_role("tab", name="Report")).to_have_attribute("aria-selected", "true")
    page.get_by_role("dialog", name="Sign in").get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    frame = drawer.locator("iframe")
    expect(frame.content_frame.get_by_role("heading", level=1)).to_contain_text("Rejected")
    assert frame.get_attribute("sandbox") == ""
    assert not page.evaluate("document.querySelector('iframe').contentDocument")


def test_two_runs_are_compared(page: Page, machine: Machine, rejected: str) -> None:
    page.goto("/runs")
    expect(page.get_by_role("link", name="Training of").first).to_be_visible()
    for run_id in (rejected, first(machine)):
        page.locator(f"#pick-{run_id}").check()
    page.get_by_role("button", name="Compare the two").click()
    expect(page.get_by_role("heading", level=1, name="Compare two runs")).to_be_focused()
    expect(page.get_by_role("row", name="epochs")).to_contain_text("1")
    expect(page.get_by_role("row", name="learning_rate")).to_contain_text("0.00001")
    expect(page.locator(".matrix")).to_have_count(2)
    page.get_by_label("First run").select_option("")
    expect(page.get_by_text("Choose two runs.")).to_be_visible()


def test_a_training_is_started_from_the_form_and_cancelled(
    page: Page, machine: Machine, photos: Path, rejected: str, token: str
) -> None:
    page.goto(f"/runs/new?from={rejected}")
    expect(page.get_by_label("source", exact=True)).to_have_value(str(photos))
    expect(page.get_by_label("architecture", exact=True)).to_have_value("small_cnn")
    expect(page.get_by_role("spinbutton", name="min_accuracy")).to_have_value("1")
    epochs = page.get_by_label("epochs", exact=True)
    epochs.fill("1.5")
    page.get_by_role("button", name="Start the training").click()
    expect(page.get_by_text("A whole number was expected.")).to_be_visible()
    expect(epochs).to_be_focused()
    page.get_by_role("button", name="Reset epochs").click()
    expect(epochs).to_have_value("0")
    page.get_by_role("button", name="Start the training").click()
    page.get_by_role("dialog", name="Sign in").get_by_label("Token").fill(token)
    page.keyboard.press("Enter")  # and what was begun goes on

    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    assert len(runs(machine)) >= 3
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(page.locator(".page-head .badge").first).to_have_text("cancelled")
    expect(page.get_by_text("Somebody cancelled this run.")).to_be_visible()


@pytest.mark.usefixtures("rejected")
def test_a_second_training_is_refused_with_a_link_to_the_first(
    page: Page, machine: Machine, photos: Path, token: str
) -> None:
    goes = begin(machine, source=str(photos), epochs=1)
    page.goto("/runs/new")
    sign_in(page, token)
    page.get_by_role("button", name="Start the training").click()
    page.get_by_role("alert").get_by_role("link", name="Look at it").click()
    expect(page).to_have_url(f"{gateway_url(machine.settings)}/runs/{goes}")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_text("Somebody cancelled this run.")).to_be_visible()


@pytest.mark.usefixtures("rejected")
def test_a_run_that_failed_says_why_and_what_to_do(page: Page, machine: Machine, tmp_path: Path) -> None:
    failed = begin(machine, source=str(tmp_path / "nowhere"))
    page.goto(f"/runs/{failed}")
    expect(page.get_by_text("ingest failed")).to_be_visible()
    expect(page.locator(".failure")).to_contain_text("there is no source")
    expect(step(page, "train")).to_contain_text("not reached")
    page.get_by_role("button", name="Open the log").click()
    expect(page.get_by_role("log")).to_contain_text("there is no source")


def test_a_run_that_is_not_there_is_said_to_be_missing(page: Page) -> None:
    page.goto("/runs/nobody")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such run")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(browser: Browser, url: str, rejected: str, machine: Machine, scheme: str) -> None:
    with visit(browser, url, color_scheme=scheme, reduced_motion="reduce") as page:
        for path in (f"/runs/{rejected}", "/runs/new", f"/runs/compare?a={rejected}&b={first(machine)}"):
            page.goto(path)
            expect(page.locator(".matrix, form").first).to_be_visible()
            assert violations(page) == [], path
        page.goto(f"/runs/{rejected}")
        step(page, "ingest").click()
        page.get_by_role("tab", name="Log").click()
        expect(page.get_by_text("The whole log.")).to_be_visible()
        assert violations(page) == []


def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Browser, url: str, rejected: str, machine: Machine
) -> None:
    with visit(browser, url, viewport=PHONE, is_mobile=True, has_touch=True) as page:
        for path in (f"/runs/{rejected}", "/runs/new", f"/runs/compare?a={rejected}&b={first(machine)}"):
            page.goto(path)
            expect(page.locator(".matrix, form").first).to_be_visible()
            assert not overflows(page), path

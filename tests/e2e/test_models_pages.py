"""Versions as a person looks at them, moves production, and takes them along."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from binocular import registry
from binocular.bundle import FACTS, Bundle, Quantization
from tests.browser import overflows, violations, visit
from tests.e2e.acts import sign_in
from tests.machine import Machine

NAME = "photos"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def second(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The version in production once more, as if another run had made it. Production is given back at the end."""
    store, folder = machine.store(), tmp_path_factory.mktemp("version") / "bundle"
    before = registry.production(store, NAME)
    assert before is not None
    registry.fetch_version(store, NAME, before.version, folder)
    reason = "int8 was left, and the float graph is served: accuracy falls."
    became = Quantization(kind="int8", taken=False, reason=reason, float_bytes=9, bytes=3, compared=None)
    told = {"run": "another-run", "champion": before.version, "quantization": became}
    Bundle.read(folder).model_copy(update=told).write(folder / FACTS)
    yield registry.publish_version(store, NAME, folder)
    now = registry.production(store, NAME)
    assert now is not None
    registry.promote(store, NAME, before.version, by="the tests", why="given back", over=now.version)


def production(page: Page) -> Locator:
    return page.locator(".production")


def test_production_moves_forward_and_back_with_a_reason(
    page: Page, machine: Machine, second: int, token: str
) -> None:
    page.goto("/models")
    sign_in(page, token)
    before = production(page).get_by_role("heading").inner_text()
    page.get_by_role("button", name=f"Put version {second} into production").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".from-to")).to_have_text(f"{before.lower()}version {second}")
    dialog.get_by_label("Why?").fill("it <i>saw</i> more")
    dialog.get_by_role("button", name="Put into production").click()
    expect(production(page)).to_contain_text(f"Version {second}")
    expect(page.locator(".timeline li").first).to_contain_text("it <i>saw</i> more")
    expect(page.locator(".model-state")).to_contain_text(f"version {second} answers")

    page.get_by_role("button", name="Roll back to version").click()
    page.get_by_role("dialog").get_by_label("Why?").fill("takes glass for metal")
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(production(page)).to_contain_text(before)
    expect(page.locator(".model-state")).to_contain_text(f"{before.lower()} answers")
    present = registry.production(machine.store(), NAME)
    assert present is not None
    assert [(move.by, move.why) for move in present.moves[:2]] == [
        ("admin", "takes glass for metal"),
        ("admin", "it <i>saw</i> more"),
    ]


def test_a_move_decided_on_what_is_past_is_refused(page: Page, machine: Machine, second: int, token: str) -> None:
    page.goto("/models")
    sign_in(page, token)
    page.get_by_role("button", name=f"Put version {second} into production").click()
    store = machine.store()
    now = registry.production(store, NAME)
    assert now is not None
    registry.promote(store, NAME, second, by="somebody", why="faster", over=now.version)
    page.get_by_role("dialog").get_by_role("button", name="Put into production").click()
    expect(page.locator("#notices")).to_contain_text("moved by somebody else")
    expect(production(page)).to_contain_text(f"Version {second}")
    registry.promote(store, NAME, now.version, by="the tests", why="given back", over=second)


def test_a_question_goes_with_the_page_that_asked_it(page: Page, second: int) -> None:
    page.goto("/")
    page.get_by_role("link", name="Models").first.click()
    page.get_by_role("button", name=f"Put version {second} into production").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("What does it show?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_version_tells_what_it_is_and_can_be_taken_along(
    page: Page, second: int, tmp_path: Path, token: str
) -> None:
    page.goto(f"/models/{second}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Version {second}")
    expect(page.get_by_role("row", name="accuracy").first).to_contain_text("%")
    expect(page.get_by_role("img", name="Images of each class. train")).to_be_visible()
    expect(page.locator("dt", has_text="Served in")).to_be_visible()
    expect(page.get_by_text("int8 was left, and the float graph is served")).to_be_visible()
    page.get_by_role("heading", name="Model card").click()
    expect(page.locator(".markdown")).to_contain_text("A classifier of photos")
    expect(page.locator(".markdown")).to_contain_text("small_cnn halves it")
    expect(page.get_by_role("heading", name="Why it was let in")).to_be_visible()
    expect(page.locator(".markdown")).not_to_contain_text("\\")
    script = 'import(new URL("markdown.js", document.querySelector("script").src))'
    assert page.evaluate(f"{script}.then((module) => module.markdown('|\\n---').length)") == 2
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
        page.get_by_role("dialog", name="Sign in").get_by_label("Token").fill(token)
        page.keyboard.press("Enter")
    download.value.save_as(tmp_path / "model.zip")
    assert f"{NAME}/{second}/saved_model.pb" in zipfile.ZipFile(tmp_path / "model.zip").namelist()
    with page.expect_download() as one:
        page.get_by_role("link", name="labels.json").click()
    assert one.value.suggested_filename == f"{NAME}-{second}-labels.json"


def test_a_version_that_is_not_there_is_said_to_be_missing(page: Page) -> None:
    page.goto("/models/99")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no version 99")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(browser: Browser, url: str, second: int, token: str, scheme: str) -> None:
    with visit(browser, url, color_scheme=scheme, reduced_motion="reduce") as page:
        page.goto(f"/models/{second}")
        sign_in(page, token)
        page.get_by_role("heading", name="Model card").click()
        expect(page.locator(".markdown table").first).to_be_visible()
        assert violations(page) == []
        page.goto("/models")
        page.get_by_role("button", name=f"Put version {second} into production").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert violations(page) == []


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, url: str, second: int) -> None:
    with visit(browser, url, viewport=PHONE, is_mobile=True, has_touch=True) as page:
        page.goto(f"/models/{second}")
        expect(page.locator("table.files")).to_be_visible()
        assert not overflows(page)

"""Somebody's first visit: nothing was trained, and the pages say what to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from binocular.parts import model_address, pipelines_url
from tests.browser import violations, visit
from tests.e2e.acts import sign_in
from tests.gateway_server import TOKEN, GatewayServer, settings_for
from tests.machine import Machine


@pytest.fixture(scope="module")
def beginners(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    """A gateway on the parts of the machine, with a bucket and a model name of its own."""
    folder = tmp_path_factory.mktemp("beginners")
    settings = settings_for(
        folder / "home",
        machine.store(),
        model_name="mine",
        model_address=model_address(machine.settings),
        kfp_url=pipelines_url(machine.settings),
    )
    with GatewayServer(folder, settings) as server:
        yield server


@pytest.fixture
def page(browser: Browser, beginners: GatewayServer) -> Iterator[Page]:
    """A tab on it."""
    with visit(browser, beginners.url) as page:
        yield page


def test_before_there_is_a_model_the_first_steps_are_shown(page: Page, photos: Path) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="There is no model yet")).to_be_visible()
    expect(page.locator(".model-state")).to_contain_text("no version yet")
    assert violations(page) == []
    page.locator("input[type=file]").first.set_input_files(next((photos / "glass").iterdir()))
    card = page.get_by_role("article")
    expect(card).to_contain_text("asked again by itself")
    page.get_by_role("link", name="Go to Data").click()
    expect(page.get_by_role("heading", level=1, name="Data")).to_be_focused()


def test_the_first_photos_make_a_training_possible(page: Page, photos: Path) -> None:
    page.goto("/data")
    expect(page.get_by_text("No photos yet")).to_be_visible()
    begin = page.get_by_role("button", name="Retrain now")
    expect(begin).to_be_disabled()
    assert violations(page) == []
    sign_in(page, TOKEN)
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    with page.expect_file_chooser() as opened:
        page.get_by_role("button", name="A folder").click()
    opened.value.set_files(photos)
    page.get_by_role("button", name="Add 240 photos").click()
    expect(page.get_by_text("240 photos added")).to_be_visible()
    expect(begin).to_be_enabled()
    expect(page.locator(".data-tile").nth(2)).to_contain_text("240 waiting")
    begin.click()
    expect(page.get_by_role("dialog")).to_contain_text("It is the first training")

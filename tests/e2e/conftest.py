"""What the browser's tests share: one machine with a model in production, and one browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from binocular.parts import gateway_token, gateway_url
from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from tests.browser import chromium, visit
from tests.machine import Machine

TRAINED_WITHIN_S = 600
FAST = ("-p", "architecture=small_cnn", "-p", "augmentation=none")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser that all tests share."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled photos, a folder for each class."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    draw(folder, Spec(images=40, size=64))
    return folder


@pytest.fixture(scope="session")
def machine(browser: Browser, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which one run has put a first model into production."""
    assert browser.is_connected()  # without a browser nothing need be started
    machine = Machine(tmp_path_factory.mktemp("machine"))
    try:
        code, output = machine.run("up")
        assert code == 0, output
        with machine.start("run", *FAST, "-p", f"source={photos}", "-p", "epochs=8") as process:
            output, _ = process.communicate(timeout=TRAINED_WITHIN_S)
        assert process.returncode == 0, output
        yield machine
    finally:
        machine.run("down")


@pytest.fixture
def url(machine: Machine) -> str:
    """Where the dashboard is."""
    return gateway_url(machine.settings)


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A tab of somebody who is not signed in."""
    with visit(browser, url) as page:
        yield page


@pytest.fixture
def token(machine: Machine) -> str:
    """The administrator's."""
    return gateway_token(machine.settings)

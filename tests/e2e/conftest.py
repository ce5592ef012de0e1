"""What the browser's tests share: one machine with a model in production, and one browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from binocular.parts import gateway_token, gateway_url
from tests.browser import chromium, visit
from tests.machine import Machine
from tests.stage import trained


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser that all tests share."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def machine(browser: Browser, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine that all tests share; without a browser none need be started."""
    assert browser.is_connected()
    with trained(tmp_path_factory.mktemp("machine"), photos) as machine:
        yield machine


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


@pytest.fixture
def tidy(machine: Machine) -> Iterator[None]:
    """What a test sent is taken back at its end: the next training is not told odd things."""
    store = machine.store()

    def sent() -> set[str]:
        return {
            entry.key for prefix in ("uploads/", "feedback/", "corrections/") for entry in store.entries(prefix)
        }

    before = sent()
    yield
    store.delete(*(sent() - before))

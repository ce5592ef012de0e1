"""What holds for every page: usable by everybody, on a phone too, light and dark, small and quick."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.pages import HERE
from tests.browser import overflows, violations, visit
from tests.e2e.acts import sign_in

# The pages of the navigation.
PATHS = re.findall(r'path: "([^"]+)".*nav:', (HERE / "assets" / "router.js").read_text())
PHONE = {"width": 360, "height": 740}
MOST_BYTES, MOST_MS = 150_000, 1000


def settle(page: Page) -> None:
    """The page has its heading and what it asked for."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_nobody_is_kept_out(browser: Browser, url: str, token: str, path: str, scheme: str) -> None:
    with visit(browser, url, color_scheme=scheme, reduced_motion="reduce") as page:
        page.goto(path)
        sign_in(page, token)
        settle(page)
        assert violations(page) == []


@pytest.mark.parametrize("path", PATHS)
def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, url: str, path: str) -> None:
    with visit(browser, url, viewport=PHONE, is_mobile=True, has_touch=True) as page:
        page.goto(path)
        settle(page)
        assert not overflows(page)
        assert violations(page) == []
        expect(page.locator("nav.tabs")).to_be_visible()


def test_by_keyboard_alone_one_gets_everywhere(page: Page) -> None:
    page.goto("/")
    settle(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.locator("nav").first.get_by_role("link", name="Data").press("Enter")
    expect(page.get_by_role("heading", level=1, name="Data")).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("Data · Binocular")
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="What does it show?")).to_be_focused()


def test_one_signs_in_and_out(page: Page, token: str) -> None:
    page.goto("/health")
    page.get_by_role("button", name="Sign in").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Token")).to_be_focused()
    dialog.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.cookie + Object.keys(localStorage) + Object.keys(sessionStorage)") == ""
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("button", name="Sign in").first).to_be_visible()
    assert page.context.cookies() == []


def test_the_first_load_is_small_and_quick(browser: Browser, url: str) -> None:
    sizes, times = [], []
    for _ in range(5):
        with visit(browser, url) as page:
            page.goto("/")
            settle(page)
            loads = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            sizes.append(page.evaluate(f"{loads}.reduce((sum, each) => sum + each.transferSize, 0)"))
            times.append(page.evaluate("performance.getEntriesByName('interactive')[0].startTime"))
    assert max(sizes) < MOST_BYTES
    assert min(times) < MOST_MS  # others use this machine too

"""“Try it” as a person uses it."""

from pathlib import Path

from playwright.sync_api import Page, expect


def test_a_photo_gets_its_label(page: Page, photos: Path) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.locator("input[type=file]").first.set_input_files(next((photos / "glass").iterdir()))
    card = page.get_by_role("article")
    expect(card.locator(".label")).to_be_visible()
    expect(card.get_by_role("listitem").first).to_contain_text("%")

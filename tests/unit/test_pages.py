"""The pages lead somewhere: no dead link, and none that nobody can find."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
TITLE = re.compile(r"^#+ (.+)$", re.MULTILINE)


def links(page: Path) -> list[str]:
    """Where a page leads within the repository; what is in code is no link."""
    found = LINK.findall(CODE.sub("`", page.read_text()))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """The anchors that a page's titles have on a Git host: small letters, words joined by '-'."""
    without_code = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in TITLE.findall(without_code)}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_to_something(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_leads_to_every_page_in_one_step() -> None:
    led = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert [page.name for page in PAGES if page.name != "README.md" and page.resolve() not in led] == []


def test_every_picture_is_shown_and_small() -> None:
    shown = {(ROOT / link).resolve() for link in links(ROOT / "README.md")}
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    assert {picture.resolve() for picture in pictures} <= shown
    assert len(pictures) <= 4
    assert all(picture.stat().st_size <= 120_000 for picture in pictures)

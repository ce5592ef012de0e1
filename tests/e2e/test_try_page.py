"""“Try it” as a person uses it: photos in, labels out, corrections back."""

import io
import re
import uuid
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from binocular.contributions import parse_contribution
from tests.e2e.acts import drop, sign_in
from tests.machine import Machine

pytestmark = pytest.mark.usefixtures("tidy")


def show(page: Page, *files: Path) -> Locator:
    """Choose files; the newest card."""
    page.goto("/")
    page.locator("input[type=file]").first.set_input_files(list(files))
    return page.get_by_role("article").first


def photo(folder: Path, label: str, number: int = 0) -> Path:
    return sorted((folder / label).iterdir())[number]


@pytest.fixture
def mine(photos: Path, tmp_path: Path) -> Path:
    """A photo that nobody else has sent: decoders do not look behind a picture's end."""
    file = tmp_path / "mine.jpg"
    file.write_bytes(photo(photos, "trash").read_bytes() + uuid.uuid4().bytes)
    return file


def test_a_photo_gets_its_label_with_every_class_and_how_long_it_took(page: Page, photos: Path) -> None:
    card = show(page, photo(photos, "glass"))
    expect(card.locator(".label")).to_be_visible()
    expect(card.get_by_role("listitem")).to_have_count(4)
    card.get_by_role("button", name="Show all 6 classes").click()
    expect(card.get_by_role("listitem")).to_have_count(6)
    shares = [float(text.strip("<>% ")) for text in card.locator(".bar-value").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert 98 < sum(shares) < 102
    expect(card.locator(".facts")).to_contain_text(re.compile(r"version \d+"))
    expect(card.locator(".facts")).to_contain_text("ms in the gateway")
    expect(card.get_by_role("img")).to_be_visible()


def test_what_an_answer_rests_on_is_laid_over_the_photo(page: Page, photos: Path) -> None:
    card = show(page, photo(photos, "glass"))
    card.get_by_role("button", name="Why?").click()
    layer = card.get_by_role("img", name="rests on")
    expect(layer).to_be_visible()
    assert layer.bounding_box() == card.get_by_role("img", name="Your photo").bounding_box()
    expect(card.locator(".why")).to_contain_text(re.compile("It looked at what is red|No part of the photo"))
    card.get_by_role("button", name="Hide why").click()
    expect(layer).to_have_count(0)


def test_many_photos_are_cards_in_a_queue_and_can_be_cleared(page: Page, photos: Path) -> None:
    show(page, *sorted((photos / "metal").iterdir())[:12])
    expect(page.get_by_role("article")).to_have_count(12)
    expect(page.locator(".label")).to_have_count(12)
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_role("article")).to_have_count(0)
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


def test_photos_are_dropped_and_pasted(page: Page, photos: Path) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    drop(page, photo(photos, "paper"))
    expect(page.locator(".label")).to_have_count(1)
    drop(page, photo(photos, "metal"), by="paste")
    expect(page.locator(".label")).to_have_count(2)


def test_a_photo_is_taken_with_the_camera(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Take a photo").click()
    page.get_by_role("dialog").get_by_role("button", name="Take it").click()
    card = page.get_by_role("article", name="photo.jpg")
    expect(card.locator(".label")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_wrong_label_is_corrected_in_two_clicks_and_can_be_taken_back_until_it_is_sent(
    page: Page, mine: Path, machine: Machine, token: str
) -> None:
    page.clock.install()
    page.goto("/")
    sign_in(page, token)
    card, data = show(page, mine), mine.read_bytes()
    expect(card.locator(".label")).to_be_visible()
    said = card.locator(".label").inner_text()

    card.locator(".correction").get_by_role("button").click()
    right = card.locator(".chip").filter(has_not_text=said).first
    chosen = right.inner_text()
    right.click()
    card.get_by_role("button", name="Undo").click()
    page.clock.run_for(10_000)
    assert not sent(machine, data)

    card.locator(".chip").get_by_text(chosen, exact=True).click()
    page.clock.run_for(10_000)
    expect(card.locator(".correction")).to_contain_text(f"learns that this is {chosen}")
    assert sent(machine, data) == [chosen]

    card.get_by_role("button", name="Change it").click()
    card.get_by_label("A new label").fill("<b>new & odd")
    card.get_by_role("button", name="Use it").click()
    page.clock.run_for(10_000)
    expect(card.locator(".correction")).to_contain_text("learns that this is <b>new & odd")
    assert sent(machine, data) == ["<b>new & odd"]


def test_whoever_leaves_before_a_correction_is_sent_has_sent_it(
    page: Page, mine: Path, machine: Machine, token: str
) -> None:
    page.goto("/")
    sign_in(page, token)
    card = show(page, mine)
    card.locator(".correction").get_by_role("button").click()
    card.locator(".chip").first.click()
    with page.expect_response("**/v1/feedback"):
        page.get_by_role("link", name="Data").first.click()
    assert sent(machine, mine.read_bytes())


def test_a_correction_of_somebody_unknown_asks_for_the_token_and_goes_on(
    page: Page, mine: Path, token: str
) -> None:
    page.clock.install()
    card = show(page, mine)
    card.locator(".correction").get_by_role("button").click()
    card.locator(".chip").first.click()
    page.clock.run_for(10_000)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).to_contain_text("no token of this gateway")
    page.keyboard.press("Escape")
    expect(card.locator(".correction")).to_contain_text("Nothing was sent")
    card.get_by_role("button", name="Sign in and send").click()
    dialog.get_by_label("Token").fill(token)
    dialog.get_by_role("button", name="Sign in").click()
    expect(card.locator(".correction")).to_contain_text("The next training learns")


def test_files_that_are_no_photos_say_so(page: Page, tmp_path: Path) -> None:
    files = {
        "notes.txt": (b"hello", "cannot be read as a photo"),
        "broken.jpg": (b"\xff\xd8\xff\xe0" + b"\0" * 500, "cannot be read as a photo"),
        "empty.png": (b"", "The file is empty"),
        "phone.heic": (b"\0\0\0\x18ftypheic" + b"\0" * 100, "HEIC"),
        "huge.png": (b"\x89PNG" + b"\0" * 20_000_001, "the gateway takes up to 20 MB"),
    }
    for name, (data, _) in files.items():
        (tmp_path / name).write_bytes(data)
    show(page, *(tmp_path / name for name in files))
    for name, (_, said) in files.items():
        expect(page.get_by_role("article", name=name)).to_contain_text(said)


def test_a_photo_of_twelve_megapixels_is_answered(page: Page, tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.effect_noise((4000, 3000), 40).convert("RGB").save(out, "JPEG", quality=80)
    (tmp_path / "large.jpg").write_bytes(out.getvalue())
    card = show(page, tmp_path / "large.jpg")
    expect(card.locator(".label")).to_be_visible()


def sent(machine: Machine, data: bytes) -> list[str]:
    """The labels under which an image is in the store as a correction."""
    store = machine.store()
    found = (entry.key for entry in store.entries("feedback/") if entry.size == len(data))
    return [parse_contribution(key).label for key in found if store.read(key).data == data]

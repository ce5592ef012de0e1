"""“Data” as a person uses it: what there is, what waits, and adding to it."""

import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from binocular.contributions import contribution_key, parse_contribution
from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from tests.e2e.acts import sign_in
from tests.machine import Machine

pytestmark = pytest.mark.usefixtures("tidy")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that the machine has not learnt from."""
    folder = tmp_path_factory.mktemp("others") / "others"
    draw(folder, Spec(images=6, size=48, seed=7))
    return folder


@pytest.fixture
def data(page: Page, token: str) -> Page:
    """The page, signed in."""
    page.goto("/data")
    sign_in(page, token)
    return page


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


def choose(page: Page, which: str, *files: Path) -> None:
    with page.expect_file_chooser() as opened:
        section(page, "Add photos").get_by_role("button", name=which).click()
    opened.value.set_files(files[0] if which.startswith("A folder") else list(files))


def uploads(machine: Machine) -> Counter[str]:
    """How many were uploaded under each label."""
    return Counter(parse_contribution(entry.key).label for entry in machine.store().entries("uploads/"))


def test_the_classes_are_there_with_their_images(page: Page) -> None:
    page.goto("/data")
    row = section(page, "Classes").get_by_role("row", name="glass")
    expect(row.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(r"^\d+ training, \d+ validation, \d+ test")
    )
    expect(row.get_by_role("cell", name="40", exact=True)).to_be_visible()
    expect(page.locator(".data-tile").first).to_contain_text("240 images")
    expect(section(page, "What validation found").get_by_role("link", name="See the run")).to_be_visible()


def test_peoples_photos_are_shown_to_those_who_may_send_some(
    page: Page, machine: Machine, token: str, others: Path
) -> None:
    machine.store().create(
        contribution_key("uploads", "seen", "a" * 64), next((others / "glass").iterdir()).read_bytes()
    )
    page.goto("/data")
    waiting = section(page, "Waiting for the next training")
    expect(waiting).to_contain_text("people's photos")
    waiting.get_by_role("button", name="Sign in").click()
    page.get_by_role("dialog").get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    thumb = waiting.get_by_role("listitem").filter(has_text="seen")
    image = thumb.get_by_role("img")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 48
    thumb.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("button", name="Take it back").click()
    expect(thumb).to_have_count(0)
    assert "seen" not in uploads(machine)


def test_a_folder_of_class_folders_is_added(data: Page, machine: Machine, others: Path) -> None:
    before = uploads(machine)
    choose(data, "A folder", others)
    adding = section(data, "Add photos")
    expect(adding).to_contain_text("36 photos of 6 classes")
    adding.get_by_role("button", name="Add 36 photos").click()
    expect(adding).to_contain_text("36 photos added")
    expect(section(data, "Classes").get_by_role("row", name="glass")).to_contain_text(re.compile(r"\+\d"))
    assert uploads(machine) - before == Counter(dict.fromkeys((each.name for each in others.iterdir()), 6))


def test_photos_of_one_class_are_added_under_a_name_and_what_is_none_is_refused_by_file(
    data: Page, machine: Machine, others: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    one = min((others / "metal").iterdir())
    choose(data, "Photos of one class", one, tmp_path / "broken.jpg")
    adding = section(data, "Add photos")
    adding.get_by_label("What do these 2 photos show?").fill("brass & <i>co")
    adding.get_by_role("button", name="Continue").click()
    expect(adding).to_contain_text("new class")
    adding.get_by_role("button", name="Add 2 photos").click()
    expect(adding).to_contain_text("1 photo added")
    expect(adding.get_by_role("listitem")).to_contain_text("broken.jpg")
    assert "brass & <i>co" in uploads(machine)

    adding.get_by_role("button", name="Add more").click()
    choose(data, "Photos of one class", one)
    adding.get_by_label("What does this photo show?").fill("Metal")
    adding.get_by_role("button", name="Continue").click()
    adding.get_by_role("button", name="Add 1 photo").click()
    expect(adding).to_contain_text("too like 'metal'")


def test_a_zip_is_added(data: Page, machine: Machine, others: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(sorted((others / "paper").iterdir())[1], "zipped/1.jpg")
        archive.write(sorted((others / "paper").iterdir())[2], "zipped/2.jpg")
    choose(data, "A zip", tmp_path / "more.zip")
    adding = section(data, "Add photos")
    adding.get_by_role("button", name="Add what is in it").click()
    expect(adding).to_contain_text("2 photos added")
    assert "zipped" in uploads(machine)


def hold(route: Route) -> None:
    """Let a request hang until the page gives it up."""


def test_whoever_leaves_while_photos_are_sent_leaves_nothing_behind(page: Page, token: str, others: Path) -> None:
    page.clock.install()
    page.goto("/data")
    sign_in(page, token)
    page.route("**/v1/images", hold)
    choose(page, "A folder", others)
    section(page, "Add photos").get_by_role("button", name="Add 36 photos").click()
    expect(section(page, "Add photos").get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("link", name="Try it").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What does it show?")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(2):
        with page.expect_response("**/v1/status"):
            page.clock.fast_forward(60_000)
    assert not [each for each in asked if each.endswith("/v1/data")]


def test_adding_can_be_stopped_and_gone_on_with(data: Page, others: Path) -> None:
    data.route("**/v1/images", hold)
    choose(data, "A folder", others)
    adding = section(data, "Add photos")
    adding.get_by_role("button", name="Add 36 photos").click()
    adding.get_by_role("button", name="Stop").click()
    expect(adding).to_contain_text("Stopped")
    data.unroute("**/v1/images")
    adding.get_by_role("button", name="Send the rest").click()
    expect(adding.get_by_role("button", name="Add more")).to_be_visible()

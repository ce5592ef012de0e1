"""Photographs of every page, for those who look: `python -m tests.e2e.screenshots`, or `make screenshots`.

Each page is taken on a desk, in the dark, and on a phone, in a state in which there is something to see.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Page, expect

from binocular.parts import gateway_token, gateway_url, model_address, pipelines_url
from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from tests.browser import chromium, visit
from tests.e2e.acts import sign_in
from tests.gateway_server import GatewayServer, settings_for
from tests.machine import Machine
from tests.stage import trained

FOLDER = Path("screenshots")
DESK = {"viewport": {"width": 1280, "height": 832}}
LOOKS: dict[str, dict[str, Any]] = {
    "desk": DESK,
    "dark": DESK | {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
Act = Callable[[Page], object]


def main() -> int:
    """Start a machine, train on a drawn sample, and photograph it; the exit code."""
    with tempfile.TemporaryDirectory(prefix="binocular-screenshots-") as scratch:
        photos = Path(scratch, "photos")
        draw(photos, Spec(images=60, size=128))
        with trained(Path(scratch), photos, epochs=12) as machine, chromium() as browser:
            photograph(browser, machine, photos, FOLDER)
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}/")
    return 0


def photograph(browser: Browser, machine: Machine, photos: Path, folder: Path) -> None:
    """Take every page of a machine on which a model was trained."""
    folder.mkdir(exist_ok=True)
    url, token = gateway_url(machine.settings), gateway_token(machine.settings)
    use(url, token, photos)
    run = requests.get(f"{url}/v1/runs", timeout=30).json()["runs"][-1]["id"]
    pages: dict[str, tuple[str, Act]] = {
        "try": ("/", lambda _: None),
        "try-answers": ("/", lambda page: ask(page, photos)),
        "try-why": ("/", lambda page: why(page, photos)),
        "try-correct": ("/", lambda page: correct(page, photos)),
        "data": ("/data", lambda _: None),
        "data-review": ("/data", lambda page: review(page, photos)),
        "data-retrain": ("/data", begin),
        "runs": ("/runs", lambda _: None),
        "run": (f"/runs/{run}", lambda _: None),
        "run-new": ("/runs/new", lambda _: None),
        "models": ("/models", lambda _: None),
        "model": ("/models/1", lambda _: None),
        "health": ("/health", lambda _: None),
    }
    for look, options in LOOKS.items():
        with visit(browser, url, reduced_motion="reduce", **options) as page:
            page.goto("/")
            page.get_by_role("button", name="Sign in").first.click()
            expect(page.get_by_role("dialog")).to_be_visible()
            page.screenshot(path=folder / f"sign-in-{look}.png")
            page.keyboard.press("Escape")
            sign_in(page, token)
            for name, (path, act) in pages.items():
                page.goto(path)
                settle(page)
                act(page)
                settle(page)
                page.screenshot(
                    path=folder / f"{name}-{look}.png", full_page=page.get_by_role("dialog").count() == 0
                )
    first_visit(browser, machine, folder)


def first_visit(browser: Browser, machine: Machine, folder: Path) -> None:
    """Take the pages of somebody who has just begun."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = settings_for(
            Path(scratch, "home"),
            machine.store(),
            model_name="mine",
            model_address=model_address(machine.settings),
            kfp_url=pipelines_url(machine.settings),
        )
        with GatewayServer(Path(scratch), settings) as server:
            for look, options in LOOKS.items():
                with visit(browser, server.url, reduced_motion="reduce", **options) as page:
                    for name in ("", "data", "runs", "models", "health"):
                        page.goto(f"/{name}")
                        settle(page)
                        page.screenshot(path=folder / f"first-{name or 'try'}-{look}.png", full_page=True)


def settle(page: Page) -> None:
    """Wait until the page has what it asked for."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    page.wait_for_load_state("networkidle")


def use(url: str, token: str, photos: Path) -> None:
    """Let people have asked, corrected and sent photos."""
    headers = {"Authorization": f"Bearer {token}"}
    for at, file in enumerate(sorted(photos.glob("*/*"))[::6]):
        told = requests.post(f"{url}/v1/predict", files={"file": file.read_bytes()}, timeout=60).json()
        if at % 8 == 0:
            given = {"id": told["id"], "label": file.parent.name}
            requests.post(f"{url}/v1/feedback", json=given, headers=headers, timeout=60).raise_for_status()
    with tempfile.TemporaryDirectory() as scratch:
        more = Path(scratch, "more")
        draw(more, Spec(images=3, size=128, seed=5))
        for of_class in more.iterdir():
            files = [("files", (file.name, file.read_bytes())) for file in of_class.iterdir()]
            label = {"label": of_class.name}
            requests.post(f"{url}/v1/images", label, files=files, headers=headers, timeout=60).raise_for_status()


def ask(page: Page, photos: Path) -> None:
    """Three photos, and something that is none."""
    files = [sorted((photos / name).iterdir())[1] for name in ("glass", "paper", "metal")]
    inputs = page.locator("input[type=file]").first
    inputs.set_input_files(files)
    expect(page.locator(".label")).to_have_count(len(files))
    inputs.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no photo"})
    expect(page.locator(".told.bad")).to_be_visible()


def why(page: Page, photos: Path) -> None:
    """A photo with what its answer rests on."""
    page.locator("input[type=file]").first.set_input_files(min((photos / "metal").iterdir()))
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_role("img", name="rests on")).to_be_visible()


def correct(page: Page, photos: Path) -> None:
    """One photo, about to be corrected."""
    page.locator("input[type=file]").first.set_input_files(sorted((photos / "trash").iterdir())[1])
    page.locator(".correction button").click()


def review(page: Page, photos: Path) -> None:
    """A folder, looked over before it is sent."""
    page.locator("input[webkitdirectory]").set_input_files(photos)
    expect(page.get_by_role("button", name=re.compile(r"Add \d+ photos"))).to_be_visible()


def begin(page: Page) -> None:
    """The question before a training."""
    page.get_by_role("button", name="Retrain now").click()
    expect(page.get_by_role("dialog")).to_be_visible()


if __name__ == "__main__":
    sys.exit(main())

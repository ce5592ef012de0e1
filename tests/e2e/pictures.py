"""The pictures that the README shows, of what `make demo` ends in: `make pictures`.

They are few and small, since everybody who clones gets them: WebP, on a desk, in daylight.
"""

import io
import sys
import tempfile
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Page

from binocular.parts import gateway_url
from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from tests.browser import chromium, visit
from tests.e2e.screenshots import DESK, settle, why
from tests.machine import Machine

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
QUALITY = 85
MOST_BYTES = 120_000


def main() -> int:
    """Do as the demo does, then look at it; the exit code."""
    with tempfile.TemporaryDirectory(prefix="binocular-pictures-") as scratch:
        photos, machine = Path(scratch, "sample"), Machine(Path(scratch))
        draw(photos, Spec())
        try:
            for command in (("up",), ("run", "-p", f"source={photos}", "-p", "architecture=small_cnn")):
                code, output = machine.run(*command)
                if code:
                    print(output)
                    return code
            with (
                chromium() as browser,
                visit(browser, gateway_url(machine.settings), reduced_motion="reduce", **DESK) as page,
            ):
                _take(page, machine, photos)
        finally:
            machine.run("down")
    return 0


def _take(page: Page, machine: Machine, photos: Path) -> None:
    """A photo with its answer and why, and the run that the model came from."""
    FOLDER.mkdir(exist_ok=True)
    page.goto("/")
    settle(page)
    why(page, photos)
    settle(page)
    _keep("try", page)
    (run,) = requests.get(f"{gateway_url(machine.settings)}/v1/runs", timeout=30).json()["runs"]
    page.goto(f"/runs/{run['id']}")
    settle(page)
    _keep("run", page)


def _keep(name: str, page: Page) -> None:
    """Write what is on the screen as a small file; a larger one than is kept ends the program."""
    path = FOLDER / f"{name}.webp"
    with Image.open(io.BytesIO(page.screenshot())) as taken:
        taken.convert("RGB").save(path, quality=QUALITY, method=6)
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes")
    if size > MOST_BYTES:
        sys.exit(f"{path} is larger than {MOST_BYTES:,} bytes: show less, or with less QUALITY")


if __name__ == "__main__":
    sys.exit(main())

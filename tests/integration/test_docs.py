"""What the pages say to type works as it stands there.

Each page's commands run in its order in one shell, in what looks like a clone with photos of one's own, beside a
machine that has a model. What is put in for a reader's own names is below, and so is what does not run, and why.
"""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from binocular import Client, registry
from binocular.bundle import FACTS
from binocular.parts import gateway_token, gateway_url
from tests.machine import Machine

ROOT = Path(__file__).parents[2]
NAME = "photos"
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Pages whose commands need what is not here.
ELSEWHERE = {
    "CONTRIBUTING.md": "they are what runs this test",
    "docs/containers.md": "needs Docker; `make test-containers` builds and runs the images",
    "docs/kubernetes.md": "needs a cluster; what `make deploy` applies is checked as rendered",
    "docs/object-store.md": "needs a store elsewhere; every test of the store runs against two",
}
# Commands that do not run here, by how they begin.
LEFT_OUT = {
    "make demo": "sets up and trains, which the browser's tests do as well",
    "make test": "is what runs this",
    "make load": "has a test of its own",
    "TOKEN=$(cat .binocular/gateway-token) make load": "minutes of load",
    "make run DATA": "begins with ImageNet weights, which no test downloads",
    ".venv/bin/binocular retrain": "starts a training, which the README does as well, and ends it",
    ".venv/bin/binocular run -p source=photos -p sweep": "trains three networks",
    "export BINOCULAR_KFP_URL": "a cluster's",
    ".venv/bin/python -m serving.server": "goes on for ever; the machine has one",
}
# What a reader puts in; what asks for less, so that it takes seconds; and what is refused, as the page says.
PUT_IN = {
    """'{"instances": [[[[255, 0, 0], …]]]}'""": "@pixels.json",
    "/models/waste": "/models/photos",
    " models/waste/3": " v1",
    """'{"id": "…", "label": "glass"}'""": r"""'{"id": "'$PREDICTION'", "label": "glass"}'""",
    "RUN_ID/terminate": "$STARTED/terminate",
    "RUN_ID": "$RUN",
    "runs ID": "runs $RUN",
    "--logs STEP": "--logs train",
    "package.yaml -p epochs=3": "pipeline/pipeline.yaml --detach -p source=photos -p architecture=small_cnn",
    "SHA256": "$(sha256sum a.jpg | cut -c1-64)",
    "promote 3": "promote 2 --yes",
    "rollback": "rollback --yes",
    "prune": "prune --yes",
    "models/3/promote": "models/2/promote",
    "models/3/": "models/1/",
    '"over": 4': '"over": 2',
    """'{"parameters": {"architecture": "small_cnn"}}' localhost:8080/v1/retrain""": (
        """'{"parameters": {"architecture": "small_cnn"}}' localhost:8080/v1/retrain > begun\n"""
        r"""BEGUN=$(sed -n 's/.*"run_id": *"\([^"]*\)".*/\1/p' begun)"""
        """\ncurl -H "$AUTH" -X POST localhost:8080/v1/runs/$BEGUN/terminate"""
    ),
    "'Idempotency-Key: monday' -X POST localhost:8080/v1/retrain": (
        "'Idempotency-Key: monday' -X POST localhost:8080/v1/retrain > started\n"
        r"""STARTED=$(sed -n 's/.*"run_id": *"\([^"]*\)".*/\1/p' started)"""
    ),
    "--min-accuracy 0.8": "--min-accuracy 0.1",
    "components.train ": "components.train --architecture small_cnn --augmentation none --epochs 8 ",
    """'{"parameters": {"epochs": 3}}' localhost:8080/v1/retrain""": (
        """'{"parameters": {"epochs": 3}}' localhost:8080/v1/retrain || [ $? = 22 ]"""
    ),
}

# What the steps leave behind, where the page itself does not make it.
MADE = ("snapshot", "report", "candidate", "verdict")
BEFORE = """
set -euo pipefail
curl() { command curl -sS --fail-with-body "$@"; }
"""


def pages() -> list[str]:
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [str(page.relative_to(ROOT)) for page in found if SHELL.search(page.read_text())]


def commands(page: str) -> list[str]:
    """A page's commands, each whole, without those that are left out."""
    lines = re.sub(r"\\\n\s*", "", "".join(SHELL.findall((ROOT / page).read_text()))).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith(tuple(LEFT_OUT))]


def a_clone(folder: Path, photos: Path) -> Path:
    """What looks like a clone, with photos of one's own in it."""
    folder.mkdir(exist_ok=True)
    for path in ROOT.iterdir():
        if path.name not in {".binocular", ".env", "binocular.toml", "build", "photos", "sample"}:
            (folder / path.name).symlink_to(path)
    for name in ("photos", "sample"):
        (folder / name).symlink_to(photos)
    for name, photo in zip(
        ("photo.jpg", "a.jpg", "b.jpg", "b.png"), sorted((photos / "metal").iterdir()), strict=False
    ):
        (folder / name).write_bytes(photo.read_bytes())
    for name, kept in (("classes.zip", 2), ("photos.zip", 1)):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for photo in sorted(photos.glob("*/*-0001.jpg")):
                archive.write(photo, "/".join(photo.parts[-kept:]))
    return folder


def run(machine: Machine, folder: Path, script: str, **variables: str) -> None:
    """Run a script as a reader would; its output where it fails."""
    for port, setting in ((8080, "gateway_port"), (8888, "kfp_port"), (8501, "model_rest_port")):
        script = re.sub(
            rf"(localhost|127\.0\.0\.1):{port}", f"127.0.0.1:{getattr(machine.settings, setting)}", script
        )
    result = subprocess.run(
        ["bash", "-xc", BEFORE + script],  # noqa: S607
        cwd=folder,
        env={**machine.environment, "BINOCULAR_HOME": str(machine.settings.home), **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"


@pytest.fixture(scope="module")
def machine(trained_machine: Machine) -> Iterator[Machine]:
    """A machine with two versions that answer alike, the first in production."""
    store, folder = trained_machine.store(), trained_machine.folder / "v1"
    registry.fetch_version(store, NAME, 1, folder)
    facts = registry.facts(store, NAME, 1)
    facts.model_copy(update={"run": "the same by another run"}).write(folder / FACTS)
    assert registry.publish_version(store, NAME, folder) == 2
    yield trained_machine
    present = registry.production(store, NAME)
    if present is not None and present.version != 1:
        registry.promote(store, NAME, 1, by="test", why="as it was", over=present.version)


@pytest.fixture(scope="module")
def steps(machine: Machine, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the steps were run one by one, as the page about the pipeline says."""
    folder = a_clone(tmp_path_factory.mktemp("steps"), photos)
    run(machine, folder, put_in("\n".join(commands("docs/pipeline.md"))))
    return folder


def put_in(script: str) -> str:
    for written, ours in PUT_IN.items():
        script = script.replace(written, ours)
    return script


@pytest.mark.parametrize("page", [page for page in pages() if page not in ELSEWHERE and commands(page)])
def test_what_a_page_says_to_type_works(
    page: str, machine: Machine, photos: Path, steps: Path, tmp_path: Path
) -> None:
    if page == "docs/pipeline.md":
        return  # `steps` has run it
    script = put_in("\n".join(commands(page)))
    folder = a_clone(tmp_path / "clone", photos)
    (folder / "v1").symlink_to(machine.folder / "v1")
    (folder / ".binocular").symlink_to(machine.settings.home)
    for name in MADE:
        if not re.search(rf"--out {name}( |$)", script, re.MULTILINE):
            (folder / name).symlink_to(steps / name)
    client = Client(gateway_url(machine.settings), gateway_token(machine.settings), patience_s=60)
    facts = registry.facts(machine.store(), NAME, 1)
    found = client.predict(folder / "photo.jpg")
    instances = [[[[120] * 3] * facts.width] * facts.height]
    (folder / "pixels.json").write_text(json.dumps({"instances": instances}))
    run(machine, folder, script, PREDICTION=found.id, RUN=facts.run)


def test_the_python_that_a_page_shows_runs(machine: Machine, photos: Path, tmp_path: Path) -> None:
    (block,) = PYTHON.findall((ROOT / "docs/python.md").read_text())
    (tmp_path / "sample").symlink_to(photos)
    result = subprocess.run(
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env={**machine.environment, "BINOCULAR_HOME": str(machine.settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_nothing_is_left_out_or_put_in_that_no_page_says() -> None:
    text = "\n".join((ROOT / page).read_text() for page in pages())
    assert [
        each for each in (*LEFT_OUT, *PUT_IN) if each not in text and each not in "".join(PUT_IN.values())
    ] == []
    assert [page for page in ELSEWHERE if page not in pages()] == []

"""What the repository promises of itself: generated pages, lock files, and who may import whom."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from binocular import settings_page

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", text, re.MULTILINE))


def test_the_settings_page_is_the_one_the_code_makes() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page.render(), "run `make docs`"


def test_there_is_a_set_for_each_image() -> None:
    images = {"components", "gateway", "pipelines", "puller", "server", "server-tensorflow"}
    assert {path.stem for path in LOCKS} == images | {"bench", "dev", "local"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_dependency_is_pinned_with_hashes_and_no_host_is_named(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert all(re.match(r"[a-z0-9.-]+==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?:|--index|--find-links| @ ", text)


# What we are compared with is in no image, and must not be held back by ours.
IMAGES = [path for path in LOCKS if path.stem not in {"bench", "dev"}]


@pytest.mark.parametrize("lock", IMAGES, ids=lambda path: path.stem)
def test_an_image_runs_the_versions_that_are_tested(lock: Path) -> None:
    tested = pins("dev")
    assert {name: version for name, version in pins(lock.stem).items() if tested.get(name) != version} == {}


def test_we_are_compared_with_others_that_decode_and_predict_with_the_same_packages() -> None:
    compared, tested = pins("bench"), pins("dev")
    for name in ("flask", "keras", "numpy", "pillow", "tensorflow"):
        assert compared[name] == tested[name]


def test_the_gateway_the_puller_and_the_litert_server_have_no_tensorflow() -> None:
    for name in ("gateway", "puller", "server"):
        assert not [package for package in pins(name) if package.startswith(("tensorflow", "keras"))]
    assert "tensorflow" in pins("server-tensorflow")


def test_the_shared_library_imports_neither_tensorflow_nor_the_parts() -> None:
    script = (
        "import importlib, pkgutil, sys, binocular\n"
        "for module in pkgutil.walk_packages(binocular.__path__, 'binocular.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "print(*sorted(name.partition('.')[0] for name in sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(result.stdout.split())
    assert not loaded & {"tensorflow", "keras", "components", "pipeline", "serving", "gateway"}


def test_make_explains_itself() -> None:
    listed = subprocess.run(["make", "-s"], capture_output=True, text=True, check=True, cwd=ROOT).stdout  # noqa: S607
    described = set(re.findall(r"^  ([a-z-]+) +\S", listed, re.MULTILINE))
    declared = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert declared == described >= {"demo", "test", "up", "down", "status", "logs", "lint", "lock", "minio"}

"""Images: a tag follows what the image is built from, and nothing that it needs is left out."""

import re
from pathlib import Path

import pytest

from pipeline import images
from pipeline.images import IMAGES, Image

ROOT = images.ROOT


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(images, "ROOT", tmp_path)
    (tmp_path / "part" / "__pycache__").mkdir(parents=True)
    (tmp_path / "part" / "code.py").write_text("one")
    (tmp_path / "Dockerfile").write_text("FROM here")
    return tmp_path


def test_a_tag_follows_every_source_and_nothing_else(tree: Path) -> None:
    image = Image("Dockerfile", ("part/**/*",))
    first = image.tag()
    (tree / "part" / "__pycache__" / "code.pyc").write_text("made by running it")
    (tree / "beside.py").write_text("of another image")
    assert image.tag() == first
    (tree / "part" / "code.py").write_text("two")
    second = image.tag()
    (tree / "Dockerfile").write_text("FROM there")
    assert len({first, second, image.tag()}) == 3


def test_two_targets_of_one_dockerfile_have_tags_of_their_own(tree: Path) -> None:
    assert tree
    assert Image("Dockerfile", (), "one").tag() != Image("Dockerfile", (), "two").tag()


@pytest.mark.parametrize("name", IMAGES)
def test_all_that_a_dockerfile_copies_decides_its_tag(name: str) -> None:
    image = IMAGES[name]
    counted = {path.relative_to(ROOT).as_posix() for path in image._files()}
    for stage in _stages(image):
        for source in re.findall(r"^COPY (?!--from)(.+) \S+$", stage, re.MULTILINE):
            for each in source.split():
                found = [*ROOT.glob(each), *(below for top in ROOT.glob(each) for below in top.rglob("*"))]
                wanted = [p for p in found if p.is_file()]
                wanted = [p for p in wanted if "__pycache__" not in p.parts]
                assert wanted, each
                assert {p.relative_to(ROOT).as_posix() for p in wanted} <= counted, each


def _stages(image: Image) -> list[str]:
    """The stages of a Dockerfile that a target is made of."""
    stages = re.split(r"^(?=FROM )", (ROOT / image.dockerfile).read_text(), flags=re.MULTILINE)[1:]
    named = {match[2]: (match[1], stage) for stage in stages if (match := re.match(r"FROM (\S+) AS (\S+)", stage))}
    wanted = [named[image.target][1] if image.target else stages[-1]]
    for stage in wanted:  # which grows
        base = re.match(r"FROM (\S+)", stage)
        used = {*re.findall(r"--from=(\S+)", stage), *([base[1]] if base else [])}
        wanted += [named[name][1] for name in used if name in named and named[name][1] not in wanted]
    return wanted


@pytest.mark.parametrize("dockerfile", sorted({image.dockerfile for image in IMAGES.values()}))
def test_images_run_as_nobody_from_pinned_packages(dockerfile: str) -> None:
    text = (ROOT / dockerfile).read_text()
    assert "ARG BASE=python:3.11-slim\n" in text
    assert not re.findall(r"^FROM (?!\$\{BASE\}|common|server-common)", text, re.MULTILINE)
    assert "USER 65532:65532" in text
    assert text.count("install --no-cache-dir") == text.count("--no-deps --require-hashes")
    assert ":latest" not in text

"""What is checked of a version before it is served."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from binocular.bundle import FACTS, GOLDEN, check, golden_shapes
from binocular.documents import Document
from binocular.errors import IntegrityError, ModelError
from tests.puller import RELEASE_1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (published,) = (path.parent for path in RELEASE_1.rglob(FACTS))
    return Path(shutil.copytree(published, tmp_path / "1"))


def test_a_whole_version_tells_its_facts(folder: Path) -> None:
    assert check(folder).classes == ("dull", "shiny")
    assert golden_shapes(folder / GOLDEN) == {"images": (2, 16, 16, 3), "probabilities": (2, 2)}


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 5, 5, 3), ()])
def test_shapes_are_those_that_numpy_reads(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", plain=np.zeros(shape), fortran=np.zeros(shape, np.uint8, order="F"))
    assert golden_shapes(tmp_path / "a.npz") == {"plain": shape, "fortran": shape}


def test_a_damaged_byte_of_the_golden_answers_is_noticed(folder: Path) -> None:
    data = (folder / GOLDEN).read_bytes()
    with zipfile.ZipFile(folder / GOLDEN) as archive:
        images = archive.getinfo("images.npy")
    for at in range(images.header_offset + 100, images.header_offset + images.compress_size, 29):
        (folder / GOLDEN).write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with pytest.raises(ModelError):
            check(folder)
    for length in (0, 10, len(data) // 2, len(data) - 1):
        (folder / GOLDEN).write_bytes(data[:length])
        with pytest.raises(ModelError):
            check(folder)


def test_what_is_in_the_archive_must_be_arrays(folder: Path) -> None:
    for content in (b"", b"hello", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x76\x00{'shape': (-1,)}"):
        with zipfile.ZipFile(folder / GOLDEN, "w") as archive:
            archive.writestr("images.npy", content)
        with pytest.raises(ModelError, match=r"images\.npy is no array"):
            check(folder)
    with zipfile.ZipFile(folder / GOLDEN, "w"):
        pass
    with pytest.raises(ModelError, match=r"holds images \(\)"):
        check(folder)


class Kept(Document):
    words: tuple[str, ...]


def test_a_document_of_a_newer_format_asks_for_an_upgrade_whatever_else_it_holds() -> None:
    for text in ('{"format": 2, "sentences": []}', '{"format": 2, "words": ["a"]}'):
        with pytest.raises(IntegrityError, match=r"it\.json has format 2; this release reads format 1: upgrade"):
            Kept.parse(text.encode(), "it.json")
    assert Kept.parse(b'{"words": ["a"]}', "it.json").words == ("a",)
    for text in ('{"format": "x", "words": []}', "[]", "{", '{"format": 1, "words": [], "more": 1}'):
        with pytest.raises(IntegrityError, match=r"it\.json is damaged"):
            Kept.parse(text.encode(), "it.json")

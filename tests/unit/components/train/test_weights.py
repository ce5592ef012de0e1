"""Where weights come from, and what is said where they cannot be had."""

import shutil
from pathlib import Path

import pytest

from binocular.errors import SettingError, SourceError, WeightsError
from components.train import weights
from components.train.recipe import Recipe
from components.train.shelf import FolderShelf
from components.train.weights import Origin


class Net:
    """What Keras makes of a download, as far as saving goes."""

    def save_weights(self, path: Path) -> None:
        path.write_bytes(b"weights")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(FolderShelf(tmp_path / "shelf"), None, tmp_path / "downloads")


def never() -> Net:
    raise AssertionError("downloaded again")


def test_imagenet_weights_are_downloaded_once_and_kept(origin: Origin, tmp_path: Path) -> None:
    first = weights.find(Recipe(), "net", Net, origin)
    second = weights.find(Recipe(), "net", never, origin)

    assert first.read_bytes() == second.read_bytes() == b"weights"
    assert second.is_relative_to(tmp_path / "shelf")


def test_weights_that_were_saved_in_part_lie_nowhere(origin: Origin, tmp_path: Path) -> None:
    class Full(Net):
        def save_weights(self, path: Path) -> None:
            path.write_bytes(b"wei")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"):
        weights.find(Recipe(), "net", Full, origin)
    assert list(tmp_path.rglob("*.h5")) == []


def test_without_internet_the_ways_out_are_named(origin: Origin) -> None:
    def unreachable() -> Net:
        raise OSError("no route to host")

    with pytest.raises(WeightsError, match=r"no route to host.*weights=PATH.*weights/net-imagenet.*small_cnn"):
        weights.find(Recipe(), "net", unreachable, origin)


def test_a_path_is_taken_as_it_is(origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "mine.weights.h5"
    file.write_bytes(b"mine")
    assert weights.find(Recipe(weights=str(file)), "net", never, origin) == file


@pytest.mark.parametrize(
    ("named", "error", "complaint"),
    [
        ("nowhere.h5", SettingError, "nowhere.h5, which is no file"),
        ("s3://elsewhere/net.h5", SettingError, "reaches no store"),
        ("https://example.com/net.h5", SourceError, "sha256"),
    ],
)
def test_what_cannot_be_reached_is_refused_by_name(
    origin: Origin, named: str, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        weights.find(Recipe(weights=named), "net", never, origin)


def test_what_is_no_address_is_refused(origin: Origin) -> None:
    with pytest.raises(SourceError, match="bad"):
        weights.find(Recipe(weights="http://[bad/net.h5", weights_sha256="0" * 64), "net", never, origin)


def test_weights_of_another_network_are_refused_in_one_line(tmp_path: Path) -> None:
    class Other:
        name = "net"

        def load_weights(self, path: Path) -> None:
            raise ValueError(f"layer count\nmismatch in {path}")

    (tmp_path / "net.h5").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"do not fit net .architecture, alpha.: layer count mismatch"):
        weights.load(Other(), tmp_path / "net.h5")


def test_a_shelf_has_only_what_was_put_there_whole(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    (tmp_path / "file").write_bytes(b"1")

    assert shelf.names("embeddings/a") == []
    assert shelf.fetch("embeddings/a/1.npz") is None
    shelf.keep("embeddings/a/1.npz", tmp_path / "file")
    assert shelf.names("embeddings/a") == ["embeddings/a/1.npz"]


def test_a_shelf_shows_no_draft_that_somebody_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    (tmp_path / "file").write_bytes(b"1")
    monkeypatch.setattr(Path, "replace", lambda *_: None)  # killed before it was whole

    shelf.keep("embeddings/a/1.npz", tmp_path / "file")

    assert shelf.names("embeddings/a") == []


def test_two_may_keep_the_same_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, copy = FolderShelf(tmp_path / "shelf"), shutil.copyfile
    (tmp_path / "file").write_bytes(b"1")

    def slowly(source: Path, target: Path) -> None:
        copy(source, target)
        monkeypatch.setattr(shutil, "copyfile", copy)
        shelf.keep("a/1.npz", source)

    monkeypatch.setattr(shutil, "copyfile", slowly)
    shelf.keep("a/1.npz", tmp_path / "file")

    assert shelf.names("a") == ["a/1.npz"]

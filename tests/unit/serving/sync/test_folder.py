"""What a model server sees of a folder, and what is deleted from it."""

from pathlib import Path

import pytest

from binocular.errors import DiskFullError, IntegrityError
from binocular.publication import Manifest, PublishedFile, describe
from serving.sync.folder import ModelFolder
from serving.sync.following import Pause


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    folder = ModelFolder(tmp_path, "waste")
    assert folder.lock()
    return folder


def brought(folder: ModelFolder, *versions: int) -> None:
    for version in versions:
        path = folder.path.with_name(f"made-{version}")
        path.mkdir()
        (path / "file").write_text(str(version))
        folder.show(version, path, describe(path))


def test_only_folders_named_by_a_number_are_versions(folder: ModelFolder) -> None:
    for name in ("3", "0005", "3.tmp", ".9", "x7", "99999999999999999999", "\u0663"):
        (folder.path / name).mkdir()
    (folder.path / "8").write_text("a file")

    assert sorted(folder.visible()) == [3, 5]
    assert folder.offered() == 5
    folder.unlock()


def test_what_differs_from_its_manifest_is_never_shown(folder: ModelFolder, tmp_path: Path) -> None:
    brought(folder, 1)
    path = tmp_path / "changed"
    path.mkdir()
    (path / "file").write_text("more")
    manifest = describe(path)
    (path / "another").write_text("that nobody published")

    with pytest.raises(IntegrityError, match="does not hold the files that were published"):
        folder.show(2, path, manifest)
    assert sorted(folder.visible()) == [1]
    folder.unlock()


def test_nothing_is_deleted_or_set_aside_for_a_version_that_is_not_there(folder: ModelFolder) -> None:
    brought(folder, 1, 2, 3)
    assert folder.set_aside_above(0) == []
    assert folder.delete_except(4, None, 1) == []
    assert folder.delete_except(2, None, 1) == []  # it is there, and a newer one is in front
    assert sorted(folder.visible()) == [1, 2, 3]
    folder.unlock()


def test_only_what_was_brought_is_deleted(folder: ModelFolder) -> None:
    (folder.path / "1").mkdir(parents=True)
    brought(folder, 2, 3, 4, 5)
    assert folder.set_aside_above(4) == [5]

    assert folder.delete_except(4, 2, 1) == [3]

    assert sorted(folder.visible()) == [1, 2, 4]
    assert folder.local(5) is not None
    assert folder.manifest(3) is None
    folder.unlock()


def test_a_version_that_does_not_fit_is_refused_before_it_is_brought(folder: ModelFolder) -> None:
    huge = Manifest(digest="0" * 32, files=(PublishedFile(path="a", size=1 << 60, sha256="0" * 64),))
    with pytest.raises(DiskFullError, match=r"kB free, the version needs 1125899906843648;"):
        folder.arriving(1, huge)
    folder.unlock()


def test_pauses_double_up_to_the_longest_and_begin_again() -> None:
    pause = Pause(1, 10)
    waited = [pause.next() for _ in range(2000)]
    assert all(most / 2 <= found <= most for found, most in zip(waited, [1, 2, 4, 8, *[10] * 1996], strict=True))
    assert len(set(waited)) > 1000
    pause.over()
    assert pause.next() <= 1

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from binocular import progress, snapshot
from binocular.errors import NotFoundError, SettingError
from binocular.sample.drawing import write
from binocular.sample.spec import FAULTS, Spec
from binocular.snapshot import Snapshot, Split, images, pack_path
from components.ingest.found import Found
from components.ingest.freezing import Options, freeze_source


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "sample"
    write(folder, Spec(images=20, size=64))
    return folder


def found(folder: Path, split: Split | None = None) -> list[Found]:
    """Every file of a folder of class folders."""
    return [
        Found(str(path.relative_to(folder)), path.parent.name, split, path.read_bytes)
        for path in sorted(folder.rglob("*.*"))
    ]


def ingest(files: list[Found], folder: Path, previous: Snapshot | None = None) -> Snapshot:
    return freeze_source(files, folder, previous, Options())


def sides(frozen: Snapshot) -> dict[str, Split]:
    return {row.sha256: row.split for row in frozen.rows}


@pytest.mark.parametrize("bits", [-1, 65])
def test_hashes_that_differ_in_more_bits_than_they_have_are_refused(bits: int) -> None:
    with pytest.raises(SettingError, match=f"near_duplicate_bits is {bits}; it must be between 0 and 64"):
        Options(near_duplicate_bits=bits)


def test_every_image_is_packed_as_it_was_and_described(photos: Path, tmp_path: Path) -> None:
    frozen = ingest(found(photos), tmp_path)

    assert snapshot.read(tmp_path) == frozen
    assert len(frozen.rows) == 120
    assert frozen.classes == ("cardboard", "glass", "metal", "paper", "plastic", "trash")
    assert {(row.width, row.height, row.format) for row in frozen.rows} == {(64, 64, "JPEG")}
    assert all((photos / row.sources[0]).read_bytes() == data for row, data in images(tmp_path, frozen.rows))


def test_the_same_files_have_the_same_digest_wherever_they_lie(photos: Path, tmp_path: Path) -> None:
    first = ingest(found(photos), tmp_path / "one")
    moved = [replace(each, source=f"s3://bucket/{each.source}") for each in reversed(found(photos))]
    second = ingest(moved, tmp_path / "two")

    assert first.digest == second.digest


def test_adding_50_images_moves_none_and_packs_only_those(photos: Path, tmp_path: Path) -> None:
    write(tmp_path / "more", Spec(images=9, size=64, seed=1))
    before = ingest(found(photos), tmp_path / "before")

    after = ingest(found(photos) + found(tmp_path / "more")[:50], tmp_path / "after", before)

    assert len(after.rows) == 170
    assert sides(after).items() >= sides(before).items()
    assert after.digest != before.digest
    new = set(after.packs) - set(before.packs)
    assert [path.stem for path in (tmp_path / "after" / "packs").iterdir()] == list(new)
    assert {row.sha256 for row in after.rows if row.place.pack in new} == sides(after).keys() - sides(
        before
    ).keys()
    for pack in before.packs:
        pack_path(tmp_path / "after", pack).hardlink_to(pack_path(tmp_path / "before", pack))
    assert len(list(images(tmp_path / "after", after.rows))) == 170


def test_adding_images_moves_none_even_without_the_previous_snapshot(photos: Path, tmp_path: Path) -> None:
    write(tmp_path / "more", Spec(images=9, size=64, seed=1))
    before = ingest(found(photos), tmp_path / "before")
    after = ingest(found(photos) + found(tmp_path / "more"), tmp_path / "after")

    moved = [sha256 for sha256, side in sides(before).items() if sides(after)[sha256] != side]
    assert moved == []


def test_ingesting_the_same_again_on_top_of_itself_changes_nothing(photos: Path, tmp_path: Path) -> None:
    before = ingest(found(photos), tmp_path / "before")

    assert ingest(found(photos), tmp_path / "again", before) == before
    assert list((tmp_path / "again" / "packs").iterdir()) == []


def test_planted_faults_are_in_the_rows_for_validation_to_find(tmp_path: Path) -> None:
    planted = write(tmp_path / "sample", Spec(images=20, size=96, split=True, plant=FAULTS))
    files = [
        replace(each, split=each.source.split("/")[0], label=each.source.split("/")[1])  # type: ignore[arg-type]
        for each in found(tmp_path / "sample")
    ]
    frozen = ingest(files, tmp_path / "snapshot")

    def rows_of(fault: str) -> Iterator[list[snapshot.Row]]:
        for each in planted:
            if each.fault == fault:
                yield [row for row in frozen.rows if set(row.sources) & set(each.files)]

    rejected = {each.source for each in frozen.rejected}
    assert rejected == {name for each in planted if each.fault == "corrupt" for name in each.files}
    assert all(len(rows) == 1 and rows[0].found == 2 for rows in rows_of("duplicate"))
    assert all(len(rows) == 2 and len({row.group for row in rows}) == 1 for rows in rows_of("near-duplicate"))
    assert all(len({row.label for row in rows}) == 2 for rows in rows_of("conflict"))
    leaked = [sorted((row.published, row.split == "test") for row in rows) for rows in rows_of("leakage")]
    assert leaked == [[("test", True), ("train", False)]] * 3


def test_a_correction_replaces_the_label_and_keeps_the_published_side(photos: Path, tmp_path: Path) -> None:
    files = found(photos, split="test")
    wrong = files[0]
    correction = replace(wrong, source="feedback", label="trash", split=None, corrected=True)

    frozen = ingest([*files, correction], tmp_path)

    (row,) = [row for row in frozen.rows if "feedback" in row.sources]
    assert (row.label, row.corrected, row.published, row.split) == ("trash", True, "test", "test")
    assert len(frozen.rows) == 120


def test_a_source_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(NotFoundError, match="1 files were rejected"):
        ingest([Found("a.jpg", "glass", None, (tmp_path / "a.jpg").read_bytes)], tmp_path / "snapshot")


def test_progress_is_logged(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    with caplog.at_level(logging.INFO):
        ingest(found(photos), tmp_path)

    assert caplog.records[-1].__dict__["images"] == 120

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from binocular import snapshot
from binocular.errors import IntegrityError, NotFoundError
from binocular.snapshot import PackWriter, Place, Rejected, Row, Snapshot, freeze, images, pack_path, read, write


def contents(count: int) -> dict[str, bytes]:
    data = [b"%d " % number * 100 for number in range(count)]
    return {hashlib.sha256(each).hexdigest(): each for each in data}


def pack(folder: Path, count: int, most_bytes: int = 1 << 20) -> dict[str, Place]:
    with PackWriter(folder, most_bytes) as packs:
        for sha256, data in contents(count).items():
            packs.add(sha256, f"{sha256}.bin", data)
    return packs.places


def row(sha256: str, place: Place) -> Row:
    return Row(
        sha256=sha256,
        label="glass",
        split="train",
        published=None,
        corrected=False,
        sources=("a.jpg",),
        found=1,
        format="JPEG",
        width=6,
        height=4,
        phash="0" * 16,
        group=sha256,
        place=place,
    )


def make(folder: Path, count: int = 20) -> Snapshot:
    frozen = freeze(
        (row(sha256, place) for sha256, place in pack(folder, count).items()),
        [Rejected("b.jpg", "glass", "damaged")],
    )
    write(frozen, folder)
    return frozen


@pytest.mark.parametrize("facts", ["{", "[]", '{"format": 1}'])
def test_facts_that_are_damaged_are_named(tmp_path: Path, facts: str) -> None:
    make(tmp_path)
    (tmp_path / snapshot.FACTS).write_text(facts)
    with pytest.raises(IntegrityError, match=r"snapshot\.json is damaged"):
        read(tmp_path)


@pytest.mark.parametrize("line", [{"sha256": "0"}, [], {"place": 1, "sources": []}])
def test_a_row_that_is_none_is_named(tmp_path: Path, line: Any) -> None:
    make(tmp_path)
    snapshot.write_lines(tmp_path / snapshot.ROWS, [line])
    with pytest.raises(IntegrityError, match="a row"):
        read(tmp_path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    frozen = make(tmp_path)

    assert read(tmp_path) == frozen
    assert frozen.classes == ("glass",)
    assert frozen.counts() == {"train": {"glass": 20}, "validation": {"glass": 0}, "test": {"glass": 0}}


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    make(tmp_path / "one")
    make(tmp_path / "two")

    for name in (snapshot.ROWS, snapshot.REJECTED, snapshot.FACTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_digest_is_of_images_labels_and_splits_alone(tmp_path: Path) -> None:
    frozen = make(tmp_path)
    first, *rest = frozen.rows

    def digest(changed: Row) -> str:
        return freeze([*rest[::-1], changed], []).digest

    assert digest(replace(first, sources=("elsewhere.jpg",), place=Place("other", 0, 0))) == frozen.digest
    assert digest(replace(first, label="metal")) != frozen.digest
    assert digest(replace(first, split="test")) != frozen.digest


def test_images_come_back_pack_by_pack(tmp_path: Path) -> None:
    places = pack(tmp_path, 50, most_bytes=10_000)
    rows = [row(sha256, place) for sha256, place in places.items()]

    assert len({place.pack for place in places.values()}) > 5
    assert {each.sha256: data for each, data in images(tmp_path, rows)} == contents(50)
    order = [each.place.pack for each, _ in images(tmp_path, rows)]
    assert order == sorted(order)


def test_packs_are_tar_files_no_larger_than_asked_named_by_their_digest(tmp_path: Path) -> None:
    pack(tmp_path, 50, most_bytes=20_000)

    for path in (tmp_path / "packs").iterdir():
        assert path.stat().st_size <= 20_480
        assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
        with tarfile.open(path) as tar:
            assert all(member.name.removesuffix(".bin") in contents(50) for member in tar)


def test_an_image_larger_than_a_pack_has_one_of_its_own(tmp_path: Path) -> None:
    data = bytes(50_000)
    with PackWriter(tmp_path, 10_000) as packs:
        packs.add(hashlib.sha256(data).hexdigest(), "large", data)
        packs.add(hashlib.sha256(b"x").hexdigest(), "small", b"x")

    assert len({place.pack for place in packs.places.values()}) == 2


def test_an_interrupted_pack_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with PackWriter(tmp_path) as packs:
            packs.add("0" * 64, "a", b"data")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list((tmp_path / "packs").iterdir()) == []


def test_damage_is_named(tmp_path: Path) -> None:
    frozen = make(tmp_path)
    path = pack_path(tmp_path, frozen.packs[0])
    damaged = bytearray(path.read_bytes())
    damaged[frozen.rows[0].place.offset] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(IntegrityError, match=r"a\.jpg is damaged"):
        list(images(tmp_path, frozen.rows))

    rows = tmp_path / snapshot.ROWS
    rows.write_bytes(rows.read_bytes()[:100])
    with pytest.raises(IntegrityError, match="rows"):
        read(tmp_path)

    write(freeze(frozen.rows[1:], []), tmp_path / "other")
    rows.write_bytes((tmp_path / "other" / snapshot.ROWS).read_bytes())
    with pytest.raises(IntegrityError, match="its digest is not"):
        read(tmp_path)


def test_a_folder_without_a_snapshot_or_with_a_newer_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no snapshot"):
        read(tmp_path)
    (tmp_path / snapshot.FACTS).write_text('{"format": 99}')
    with pytest.raises(IntegrityError, match="format 99"):
        read(tmp_path)


def test_a_tar_reader_of_the_whole_pack_agrees_with_the_places(tmp_path: Path) -> None:
    places = pack(tmp_path, 5)
    (name,) = {place.pack for place in places.values()}
    with tarfile.open(fileobj=io.BytesIO(pack_path(tmp_path, name).read_bytes())) as tar:
        for member in tar:
            place = places[member.name.removesuffix(".bin")]
            assert (member.offset_data, member.size) == (place.offset, place.size)

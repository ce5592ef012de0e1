"""Archives as sources: the layouts of folders, read in place."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from binocular.errors import ArchiveRefusedError, IntegrityError, SourceError
from components.ingest.sources import Found, open_source

Files = dict[str, bytes]
ROOT = Path(__file__).parents[4]
STATUS = Path("/proc/self/status")
MANY = 100_000
MEMBER_BYTES = 2_000
# Their bytes are 200 MB; what may be held is their names, and of a zip the list of its members.
FLAT_KIB = {"zip": 120 << 10, "tar": 30 << 10}
# In a process of its own, whose peak is its own. Tracing each allocation instead takes a minute.
DRAW_ALL = """
import re, sys
from pathlib import Path
from components.ingest.sources import open_source
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
size = sum(len(found.read()) for found in open_source(sys.argv[1], store=None, scratch=Path()))
print(size, peak() - before)
"""


def pack_zip(path: Path, files: Files, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tar_bytes(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def pack_tar(path: Path, files: Files, compress: Callable[[bytes], bytes] = bytes) -> Path:
    path.write_bytes(compress(tar_bytes(files)))
    return path


def drawn(path: Path, sha256: str = "") -> list[tuple[str, str, str | None, bytes]]:
    stream = open_source(str(path), store=None, scratch=path.parent, sha256=sha256)
    return [(found.source, found.label, found.split, found.read()) for found in stream]


PACKERS: dict[str, Callable[[Path, Files], Path]] = {
    "zip": pack_zip,
    "stored.zip": lambda path, files: pack_zip(path, files, zipfile.ZIP_STORED),
    "tar": pack_tar,
    "tar.gz": lambda path, files: pack_tar(path, files, gzip.compress),
    "tgz": lambda path, files: pack_tar(path, files, gzip.compress),
    "tar.bz2": lambda path, files: pack_tar(path, files, bz2.compress),
    "tar.xz": lambda path, files: pack_tar(path, files, lzma.compress),
}


@pytest.mark.parametrize("kind", PACKERS)
def test_every_kind_of_archive_holds_what_a_folder_holds(tmp_path: Path, kind: str) -> None:
    noise = os.urandom(200_000)
    files = {"w/Test/Äpfel rot/b.jpg": noise, "w/train/glass/a.jpg": b"a", "w/README.md": b"", "w/.x/y.jpg": b""}
    path = PACKERS[kind](tmp_path / f"photos.{kind}", files)

    assert drawn(path) == [
        (f"photos.{kind}!w/Test/Äpfel rot/b.jpg", "Äpfel rot", "test", noise),
        (f"photos.{kind}!w/train/glass/a.jpg", "glass", "train", b"a"),
    ]


def test_an_archive_is_told_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    assert drawn(pack_zip(tmp_path / "photos.tar", {"glass/a.jpg": b"a"}))[0][3] == b"a"
    assert drawn(pack_tar(tmp_path / "download", {"glass/a.jpg": b"a"}))[0][3] == b"a"


def test_a_zip_comes_sorted_and_a_tar_in_its_own_order(tmp_path: Path) -> None:
    files = {"b/1.jpg": b"", "a/2.jpg": b"", "a/1.jpg": b""}

    assert [row[0] for row in drawn(pack_zip(tmp_path / "z", files))] == ["z!a/1.jpg", "z!a/2.jpg", "z!b/1.jpg"]
    assert [row[0] for row in drawn(pack_tar(tmp_path / "t", files))] == ["t!b/1.jpg", "t!a/2.jpg", "t!a/1.jpg"]


def test_a_tar_of_the_present_folder_has_no_dots_in_its_labels(tmp_path: Path) -> None:
    (tmp_path / "data" / "glass").mkdir(parents=True)
    (tmp_path / "data" / "glass" / "a.jpg").write_bytes(b"a")
    with tarfile.open(tmp_path / "photos.tgz", "w:gz") as archive:
        archive.add(tmp_path / "data", ".")

    assert drawn(tmp_path / "photos.tgz") == [("photos.tgz!glass/a.jpg", "glass", None, b"a")]


def test_long_and_foreign_names_come_through_every_tar_dialect(tmp_path: Path) -> None:
    name = "photos/glass/" + "ä" * 150 + "/" + "x" * 120 + ".jpg"
    for dialect in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "photos.tar", "w", format=dialect) as archive:
            archive.addfile(tarfile.TarInfo(name))
        assert drawn(tmp_path / "photos.tar")[0][0] == f"photos.tar!{name}"


def test_a_tar_made_of_several_compressed_parts_is_read_to_its_end(tmp_path: Path) -> None:
    whole = tar_bytes({"glass/a.jpg": os.urandom(5000), "paper/b.jpg": b"b"})
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        (tmp_path / "photos").write_bytes(compress(whole[:3000]) + compress(whole[3000:]))
        assert [row[1] for row in drawn(tmp_path / "photos")] == ["glass", "paper"]


def test_a_zip_behind_other_bytes_or_with_a_comment_is_read(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"PK\x05\x06 is no end"
        archive.writestr("glass/a.jpg", b"a")
    with pytest.raises(ArchiveRefusedError):
        drawn(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"photographs"
        archive.writestr("glass/a.jpg", b"a")
    assert drawn(path)[0][1] == "glass"


def test_names_without_the_utf8_mark_are_read_as_utf8(tmp_path: Path) -> None:
    path = pack_zip(tmp_path / "photos.zip", {"Aepfel/a.jpg": b"a"})
    path.write_bytes(path.read_bytes().replace(b"Aepfel", "Äpfel".encode()))

    assert drawn(path)[0][1] == "Äpfel"


def test_an_archive_in_an_archive_is_a_file_like_any_other(tmp_path: Path) -> None:
    inner = pack_zip(tmp_path / "inner.zip", {"paper/b.jpg": b"b"}).read_bytes()
    path = pack_zip(tmp_path / "photos.zip", {"glass/a.jpg": b"a", "glass/inner.zip": inner})

    assert [(row[0], row[1]) for row in drawn(path)] == [
        ("photos.zip!glass/a.jpg", "glass"),
        ("photos.zip!glass/inner.zip", "glass"),
    ]


def test_a_tar_member_is_read_once_and_before_the_next(tmp_path: Path) -> None:
    path = pack_tar(tmp_path / "photos.tar", {"glass/a.jpg": b"a", "glass/b.jpg": b"b"})
    late = list(open_source(str(path), store=None, scratch=tmp_path))
    with pytest.raises(ArchiveRefusedError, match="after the next one was drawn"):
        late[0].read()


def test_members_that_nobody_reads_are_passed_over(tmp_path: Path) -> None:
    path = pack_tar(tmp_path / "photos.tar", {f"glass/{size}.jpg": bytes(size) for size in (0, 1, 511, 512, 513)})

    assert len(list(open_source(str(path), store=None, scratch=tmp_path))) == 5


def test_a_local_archive_with_another_checksum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="expected 0000"):
        drawn(pack_zip(tmp_path / "photos.zip", {"glass/a.jpg": b""}), sha256="0" * 64)


@pytest.mark.parametrize("pack", [pack_zip, pack_tar])
def test_an_archive_without_classes_says_what_was_expected(tmp_path: Path, pack: Callable[..., Path]) -> None:
    with pytest.raises(SourceError, match="expected <class>/<image>"):
        drawn(pack(tmp_path / "photos", {"README.md": b"x"}))


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process's memory is read from /proc")
@pytest.mark.parametrize("kind", FLAT_KIB)
def test_a_hundred_thousand_members_cost_no_more_memory_than_their_names(tmp_path: Path, kind: str) -> None:
    data = os.urandom(MEMBER_BYTES)
    names = (f"class {number % 10}/{number}.jpg" for number in range(MANY))
    if kind == "zip":
        pack_zip(tmp_path / kind, dict.fromkeys(names, data), zipfile.ZIP_STORED)
    else:
        block = data + bytes(-len(data) % tarfile.BLOCKSIZE)
        with (tmp_path / kind).open("wb") as file:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                file.write(info.tobuf() + block)
            file.write(bytes(2 * tarfile.BLOCKSIZE))
    command = [sys.executable, "-c", DRAW_ALL, str(tmp_path / kind)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    size, grown_kib = map(int, result.stdout.split())

    print(f"{kind}: {grown_kib >> 10} MiB for {MANY} members")
    assert size == MANY * MEMBER_BYTES
    assert grown_kib < FLAT_KIB[kind]


@pytest.mark.parametrize(
    ("name", "label", "images", "splits"),
    [
        ("trashnet.tar", "trash", 137, {None: 2527}),
        ("fruits8.tar", "Apple Braeburn", 492 + 164, {"train": 4031, "test": 1350}),
    ],
)
def test_published_archives_are_read_whole(
    name: str, label: str, images: int, splits: dict[str | None, int]
) -> None:
    path = Path(os.environ.get("TEST_DATA_FOLDER", "")) / name
    if not (os.environ.get("TEST_DATA_FOLDER") and path.is_file()):
        pytest.skip(f"no {name} in the folder named by TEST_DATA_FOLDER")
    seen: list[Found] = []
    for found in open_source(str(path), store=None, scratch=path.parent):
        assert found.read().startswith(b"\xff\xd8")
        seen.append(found)

    assert Counter(found.split for found in seen) == splits
    assert sum(found.label == label for found in seen) == images

"""Archives that lie, leave their folder, explode or end early: each is refused by name and at no cost."""

import bz2
import gzip
import io
import lzma
import random
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from binocular.errors import ArchiveRefusedError, SourceError
from binocular.inspection import Inspection
from components.ingest.sources import Limits, open_source
from components.ingest.tars import Stream

GOOD = "glass/good.jpg"
LIMITS = Limits(members=50, member_bytes=2_000_000, total_bytes=5_000_000)
# What a refusal may cost, whatever sizes the archive claims: the largest member allowed, and the machinery.
REFUSAL_BYTES = 12 << 20


def read_all(path: Path, limits: Limits = LIMITS) -> list[bytes]:
    return [found.read() for found in open_source(str(path), store=None, scratch=path.parent, limits=limits)]


def refused(content: bytes, tmp_path: Path, why: str, name: str = "hostile") -> None:
    path = tmp_path / name
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveRefusedError, match=why) as caught:
            read_all(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert name in str(caught.value)
    assert len(str(caught.value)) < 600
    assert peak < REFUSAL_BYTES


# Zip


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(GOOD, b"good")
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def named(name: str) -> bytes:
    return zipped((name, b"data"))


def unix(mode: int) -> bytes:
    info = zipfile.ZipInfo("glass/odd.jpg")
    info.create_system = 3
    info.external_attr = mode << 16
    return zipped((info, b"/etc/passwd"))


def patched(content: bytes, signature: bytes, offset: int, layout: str, value: int, *, last: bool = True) -> bytes:
    """With one field changed in the last (or first) header that has this signature."""
    at = (content.rfind(signature) if last else content.find(signature)) + offset
    return content[:at] + struct.pack(layout, value) + content[at + struct.calcsize(layout) :]


CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
PLAIN = zipped(("glass/b.jpg", b"data"))


def doubled() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped((GOOD, b"again"))


def overlapping() -> bytes:
    """Two entries of the directory that are made of the same bytes: the core of a zip bomb."""
    return patched(zipped(("glass/hood.jpg", b"good")), CENTRAL, 42, "<L", 0)


def crowded() -> bytes:
    """A directory that lists one member ten thousands of times, so that holding the list is what harms."""
    start, end, times = PLAIN.find(CENTRAL), PLAIN.rfind(END), 40_000
    entry = PLAIN[start : PLAIN.find(CENTRAL, start + 1)]
    content = PLAIN[:start] + entry * times + PLAIN[end:]
    return patched(patched(content, END, 10, "<H", times), END, 12, "<L", len(entry) * times)


def talkative() -> bytes:
    """Entries with comments as long as they may be."""
    infos = [zipfile.ZipInfo(f"glass/{number}.jpg") for number in range(3)]
    for info in infos:
        info.comment = b"x" * 65_000
    return zipped(*((info, b"") for info in infos))


def undecodable(content: bytes, name: str) -> bytes:
    return content.replace(name.encode(), b"glass/\xff\xfe.jpg"[: len(name.encode())])


def claiming_utf8() -> bytes:
    content = zipped(("glass/äx.jpg", b"data"))
    return content.replace("glass/äx.jpg".encode(), b"glass/\xff\xfex.jpg")


ZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a name that climbs": (lambda: named("../../etc/cron.d/x"), r"'\.\./\.\./etc/cron.d/x' leads out"),
    "a name that climbs midway": (lambda: named("glass/../../x.jpg"), "leads out"),
    "an absolute name": (lambda: named("/etc/passwd"), "absolute"),
    "a drive letter": (lambda: named("C:/windows/x.jpg"), "absolute"),
    "a drive without slash": (lambda: named("c:x.jpg"), "absolute"),
    "backslashes": (lambda: named("glass\\..\\..\\x.jpg"), "backslash"),
    "a UNC name": (lambda: named("\\\\server\\share\\x.jpg"), "backslash"),
    "an empty part": (lambda: named("glass//x.jpg"), "empty part"),
    "a dot part": (lambda: named("glass/./x.jpg"), "'.' in its name"),
    "a line break": (lambda: named("glass/a\nb.jpg"), "control character"),
    "a NUL": (lambda: named("glass/axb.jpg").replace(b"glass/axb", b"glass/a\0b"), "control character"),
    "a terminal escape": (lambda: named("glass/\x1b[2J.jpg"), "control character"),
    "a name in no code page": (lambda: undecodable(named("glass/xxxx"), "glass/xxxx"), "not UTF-8"),
    "a false UTF-8 mark": (claiming_utf8, "UTF-8"),
    "a name twice": (doubled, "is there twice"),
    "a link": (lambda: unix(stat.S_IFLNK | 0o777), "is a link"),
    "a device": (lambda: unix(stat.S_IFCHR | 0o666), "special file"),
    "a pipe": (lambda: unix(stat.S_IFIFO | 0o666), "special file"),
    "an encrypted member": (lambda: patched(PLAIN, CENTRAL, 8, "<H", 1), "encrypted"),
    "strong encryption": (lambda: patched(PLAIN, CENTRAL, 8, "<H", 0x41), "encrypted"),
    "masked headers": (lambda: patched(PLAIN, CENTRAL, 8, "<H", 0x2000), "encrypted"),
    "an unbounded method": (lambda: zipped(("glass/b.jpg", bytes(9**6)), method=zipfile.ZIP_BZIP2), "method 12"),
    "an unknown method": (lambda: patched(PLAIN, CENTRAL, 10, "<H", 99), "method 99"),
    "too many members": (lambda: zipped(*((f"glass/{n}.jpg", b"") for n in range(50))), "more than the 50"),
    "a crowd": (crowded, "more than the 50"),
    "a list made of comments": (talkative, "bytes to list 4 members"),
    "a member too large": (lambda: zipped(("glass/b.jpg", bytes(2_000_001))), "at most 2000000"),
    "a total too large": (
        lambda: zipped(*((f"glass/{n}.jpg", bytes(1_900_000)) for n in range(3)), method=zipfile.ZIP_STORED),
        "beyond the 5000000",
    ),
    "a bomb": (lambda: zipped(("glass/b.jpg", bytes(1_900_000))), "more than 200 times"),
    "a size that is too small": (lambda: patched(PLAIN, CENTRAL, 24, "<L", 2), "cannot be read"),
    "a size that is too large": (
        lambda: patched(PLAIN, CENTRAL, 24, "<L", 900_000),
        r"declares 900000 bytes|cannot",
    ),
    "a size of 4 GB": (lambda: patched(PLAIN, CENTRAL, 24, "<L", 0xFFFF_FFF0), "at most 2000000"),
    "a packed size beyond the file": (lambda: patched(PLAIN, CENTRAL, 20, "<L", 0x7FFF_FFFF), "shares its bytes"),
    "overlapping members": (overlapping, "shares its bytes"),
    "an offset beyond the file": (lambda: patched(PLAIN, CENTRAL, 42, "<L", 0x7FFF_FFFF), "shares its bytes"),
    "a count too small": (lambda: patched(PLAIN, END, 10, "<H", 1), "claims 1 members and lists 2"),
    "a count too large": (lambda: patched(PLAIN, END, 10, "<H", 0xFFFE), "claims 65534 members and lists 2"),
    "a list longer than the file": (lambda: patched(PLAIN, END, 12, "<L", 0xFFFF_FFF0), "longer than the file"),
    "a list that is none": (lambda: patched(PLAIN, END, 12, "<L", 50), "corrupt"),
    "another name inside": (lambda: PLAIN.replace(b"glass/b.jpg", b"glass/c.jpg", 1), "cannot be read"),
    "a name inside that is very long": (
        lambda: patched(PLAIN, LOCAL, 26, "<H", 200, last=False),
        "cannot be read|corrupt",
    ),
    "no end": (lambda: PLAIN[:-30], "truncated or corrupt"),
    "half a file": (lambda: PLAIN[: len(PLAIN) // 2], "truncated or corrupt"),
    "a missing middle": (lambda: PLAIN[:60] + PLAIN[70:], "corrupt|shares|cannot be read"),
    "a wrong checksum": (lambda: patched(PLAIN, CENTRAL, 16, "<L", 1), "cannot be read: Bad CRC"),
    "only a beginning": (lambda: LOCAL, "truncated or corrupt"),
}


@pytest.mark.parametrize("case", ZIPS)
def test_a_hostile_zip_is_refused(tmp_path: Path, case: str) -> None:
    make, why = ZIPS[case]
    refused(make(), tmp_path, why)


# Tar


def header(name: str, size: int = 4, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info.tobuf(tarfile.GNU_FORMAT)


def block(data: bytes) -> bytes:
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def tarred(*parts: bytes, end: bytes = bytes(2 * tarfile.BLOCKSIZE)) -> bytes:
    return header(GOOD) + block(b"good") + b"".join(parts) + end


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    size = 4 if kind == tarfile.REGTYPE else 0
    return header(name, size, kind, link) + (block(b"data") if size else b"")


def odd(kind: bytes, link: str = "") -> Callable[[], bytes]:
    return lambda: tarred(member("glass/odd.jpg", kind, link))


def pax(**fields: str) -> bytes:
    """A member with an extended header."""
    info = tarfile.TarInfo("glass/pax.jpg")
    info.pax_headers = fields
    return info.create_pax_header(info.get_info(), "utf-8")


def sized(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header that claims a size, with nothing behind it."""
    return summed(header(name, 0, kind), size)


def summed(raw: bytes, size: int) -> bytes:
    """A header with another size, as octal digits or, where these do not suffice, in binary; and its sum."""
    binary = bytes([0xFF if size < 0 else 0x80]) + (size % 256**11).to_bytes(11, "big")
    field = b"%011o\0" % size if 0 <= size < 8**11 else binary
    blank = raw[:124] + field + raw[136:148] + b" " * 8 + raw[156:]
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


ZEROS = bytes(30_000_000)
BIG = tarred(sized("glass/b.jpg", 1_900_000), block(bytes(1_900_000)))

TARS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a name that climbs": (lambda: tarred(member("../x.jpg")), "leads out"),
    "an absolute name": (lambda: tarred(member("/etc/passwd")), "absolute"),
    "a drive letter": (lambda: tarred(member("C:/x.jpg")), "absolute"),
    "backslashes": (lambda: tarred(member("glass\\..\\x.jpg")), "backslash"),
    "an absolute folder": (lambda: tarred(member("/tmp/x", tarfile.DIRTYPE)), "absolute"),  # noqa: S108
    "a long name that climbs": (lambda: tarred(member("glass/../" + "x" * 200 + ".jpg")), "leads out"),
    "an extended name that climbs": (lambda: tarred(pax(path="../x.jpg")), "leads out"),
    "a name twice": (lambda: tarred(member(GOOD)), "is there twice"),
    "a name twice, once with a dot": (lambda: tarred(member("./" + GOOD)), "is there twice"),
    "a name that is not UTF-8": (lambda: tarred(header("glass/\udcff", 0)), "undecodable byte"),
    "a symbolic link": (odd(tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "a hard link": (odd(tarfile.LNKTYPE, GOOD), "is a link"),
    "a character device": (odd(tarfile.CHRTYPE), "special file"),
    "a block device": (odd(tarfile.BLKTYPE), "special file"),
    "a pipe": (odd(tarfile.FIFOTYPE), "special file"),
    "an unknown kind": (lambda: tarred(header("glass/b.jpg", 0, b"S")), "sparse|corrupt"),
    "a sparse member": (lambda: tarred(pax(**{"GNU.sparse.size": "1000000000000"})), "sparse"),
    "a sparse map": (lambda: tarred(pax(**{"GNU.sparse.map": "0,1,2,3", "GNU.sparse.size": "9"})), "sparse"),
    "too many members": (lambda: tarred(*(member(f"glass/{n}.jpg") for n in range(50))), "50 members"),
    "too many folders": (lambda: tarred(*(member(f"{n}", tarfile.DIRTYPE) for n in range(50))), "50 members"),
    "a member too large": (lambda: tarred(sized("glass/b.jpg", 2_000_001)), "at most 2000000"),
    "a member of exabytes": (lambda: tarred(sized("glass/b.jpg", 2**62)), "at most 2000000"),
    "a negative size": (lambda: tarred(sized("glass/b.jpg", -1024)), "-1024 bytes|backwards|corrupt"),
    "a negative extended size": (lambda: tarred(pax(size="-2048")), "backwards|-2048"),
    "an extended size of petabytes": (lambda: tarred(pax(size="9" * 15)), "at most 2000000"),
    "a total too large": (
        lambda: tarred(*(sized(f"glass/{n}.jpg", 1_900_000) + block(bytes(1_900_000)) for n in range(3))),
        "beyond the 5000000",
    ),
    "a long name of gigabytes": (
        lambda: tarred(sized("././@LongLink", 2**33, tarfile.GNUTYPE_LONGNAME)),
        "claims",
    ),
    "an extended header of gigabytes": (lambda: tarred(sized("x", 2**33, tarfile.XHDTYPE)), "claims"),
    "headers of headers": (lambda: tarred(sized("x", 0, tarfile.XHDTYPE) * 5000), "corrupt"),
    "headers of headers of megabytes": (
        lambda: tarred((sized("x", 1 << 20, tarfile.XHDTYPE) + bytes(1 << 20)) * 20),
        "claims",
    ),
    "headers larger than what they describe": (
        lambda: tarred(*(pax(comment="x" * 120_000, path=f"glass/{n}.jpg") for n in range(45))),
        "unpacks to more than",
    ),
    "many global headers": (
        lambda: b"".join(tarfile.TarInfo.create_pax_global_header({f"k{n}": "v"}) for n in range(120)) + tarred(),
        "global headers",
    ),
    "a gzip bomb": (lambda: gzip.compress(tarred(sized("glass/b.jpg", 2**33), ZEROS)), "at most 2000000"),
    "a gzip bomb within limits": (lambda: gzip.compress(BIG), "inflates"),
    "a bzip2 bomb": (lambda: bz2.compress(BIG), "inflates"),
    "an xz bomb": (lambda: lzma.compress(BIG), "inflates"),
    "a bomb after the end": (lambda: gzip.compress(tarred(ZEROS)), "inflates"),
    "an xz that wants gigabytes": (
        lambda: lzma.compress(tarred(), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29, "preset": 0}]),
        "corrupt.*[Mm]emory",
    ),
    "half a member": (lambda: tarred(end=b"")[:700], "truncated|ends"),
    "no end": (lambda: tarred(end=b""), "does not end as a tar"),
    "half a header": (lambda: tarred(header("glass/b.jpg")[:300], end=b""), "does not end as a tar"),
    "nonsense for a header": (lambda: tarred(b"x" * 512), "does not end as a tar"),
    "a wrong sum": (lambda: tarred(header("glass/b.jpg").replace(b"glass/b", b"glass/c")), "does not end"),
    "another tar after the end": (lambda: tarred() + tarred(), "after its end"),
    "half a gzip": (lambda: gzip.compress(tarred())[:-20], "corrupt"),
    "a gzip without its checksum": (lambda: gzip.compress(tarred())[:-8], "corrupt"),
    "a gzip with a wrong checksum": (lambda: gzip.compress(tarred())[:-8] + bytes(8), "corrupt"),
    "half a bzip2": (lambda: bz2.compress(tarred())[:-20], "corrupt"),
    "half an xz": (lambda: lzma.compress(tarred())[:-20], "corrupt"),
    "a gzip of nothing": (lambda: gzip.compress(b""), "corrupt"),
    "a gzip of a photo": (lambda: gzip.compress(random.Random(1).randbytes(5000)), "corrupt"),
    "a zip in a gzip": (lambda: gzip.compress(PLAIN), "corrupt"),
}


@pytest.mark.parametrize("case", TARS)
def test_a_hostile_tar_is_refused(tmp_path: Path, case: str) -> None:
    make, why = TARS[case]
    refused(make(), tmp_path, why)


def test_a_stream_never_goes_back() -> None:
    stream = Stream(io.BytesIO(tarred()), Inspection("hostile", LIMITS))
    stream.seek(600)
    with pytest.raises(ArchiveRefusedError, match="backwards"):
        stream.seek(599)


def test_an_archive_that_is_cut_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(tarred(sized("glass/b.jpg", 1_000_000), bytes(1_000_448)))
    drawn = open_source(str(path), store=None, scratch=tmp_path)
    next(drawn)
    with path.open("r+b") as file:
        file.truncate(500_000)
    found = next(drawn)
    with pytest.raises(ArchiveRefusedError, match=r"glass/b\.jpg.* bytes early"):
        found.read()


@pytest.mark.parametrize("content", [b"", b"x", b"Rar!\x1a\x07", b"\xff\xd8\xff\xe0" * 200, bytes(1024)])
def test_what_is_no_archive_is_told_which_are(tmp_path: Path, content: bytes) -> None:
    refused(content, tmp_path, "neither a zip nor a tar")


@pytest.mark.parametrize("make", [tarred, lambda: PLAIN, lambda: gzip.compress(tarred(member("paper/b.jpg")))])
def test_damage_anywhere_is_an_error_of_ours_or_does_no_harm(tmp_path: Path, make: Callable[[], bytes]) -> None:
    content, chance, path = make(), random.Random(20), tmp_path / "damaged"
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(damaged))
            if chance.random() < 0.2:
                del damaged[at : at + chance.randint(1, 600)]
            else:
                damaged[at] = chance.choice([0, 0xFF, 0x7F, chance.randrange(256)])
            damaged = damaged or bytearray(b"x")
        path.write_bytes(damaged)
        try:
            assert sum(map(len, read_all(path))) <= 8
        except SourceError as error:
            assert "damaged" in str(error)  # noqa: PT017

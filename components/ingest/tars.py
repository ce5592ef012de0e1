"""Tar archives, plain or compressed, read as a stream and never trusted.

`tarfile` believes the sizes in headers. So it reads through `Stream`, which only goes forward, never gives more
than a bounded number of bytes at once, and watches how much a compressed archive inflates.
"""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast

from binocular.errors import ArchiveRefusedError
from binocular.inspection import RATIO_FROM_BYTES, Inspection, Member

CHUNK_BYTES = 1 << 16
# The longest header a tar may have: a long name, or attributes. tarfile holds hundreds of them at once where an
# archive piles them up.
HEADER_BYTES = 1 << 17
HEADERS_PER_MEMBER_BYTES = 4 * tarfile.BLOCKSIZE
GLOBAL_HEADERS = 100
LZMA_MEMORY_BYTES = 256 << 20
END_BLOCK = bytes(tarfile.BLOCKSIZE)
GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
FAULTS: Final = (
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    ArithmeticError,
    IndexError,
    RecursionError,
    ValueError,
)


class Reader(Protocol):
    """Something that gives at most as many bytes as it is asked for."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""


class XzReader:
    """Inflates xz in bounded steps and bounded memory: its header may ask for gigabytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompressor = self._new()

    def _new(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LZMA_MEMORY_BYTES)

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""
        while True:
            data = b""
            if self._decompressor.eof:
                rest = self._decompressor.unused_data or self._file.read(CHUNK_BYTES)
                if not rest.strip(b"\0"):
                    return b""
                self._decompressor, data = self._new(), rest
            elif self._decompressor.needs_input:
                data = self._file.read(CHUNK_BYTES)
                if not data:
                    raise EOFError("the compressed data ends early")
            if inflated := self._decompressor.decompress(data, size):
                return inflated


class Stream:
    """The unpacked bytes of a tar, forwards only."""

    def __init__(self, file: IO[bytes], inspection: Inspection) -> None:
        magic = file.read(len(XZ))
        file.seek(0)
        self._file = file
        self._inspection = inspection
        self._reader, self._compressed = _reader(file, magic)
        self._at = 0
        self.last = b""
        limits = inspection.limits
        self._limit = limits.total_bytes + limits.members * HEADERS_PER_MEMBER_BYTES

    def tell(self) -> int:
        """How many bytes have been read."""
        return self._at

    def seek(self, offset: int) -> int:
        """Go forward to an offset."""
        if offset < self._at:
            raise self._inspection.broken("a header points backwards")
        while self._at < offset and self.read(min(CHUNK_BYTES, offset - self._at)):
            pass
        return self._at

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        if not 0 <= size <= HEADER_BYTES:
            raise self._inspection.broken(f"a header claims {size} bytes, at most {HEADER_BYTES} are taken")
        chunks = []
        missing = size
        while missing and (chunk := self._reader.read(missing)):
            chunks.append(chunk)
            missing -= len(chunk)
            self._count(len(chunk))
        self.last = b"".join(chunks)
        return self.last

    def _count(self, size: int) -> None:
        self._at += size
        limits = self._inspection.limits
        if self._at > self._limit:
            raise ArchiveRefusedError(
                f"{self._inspection.archive} unpacks to more than the {limits.total_bytes} bytes that are taken"
            )
        packed = self._file.tell()
        if self._compressed and self._at > max(RATIO_FROM_BYTES, limits.ratio * packed):
            raise ArchiveRefusedError(
                f"{self._inspection.archive} inflates from {packed} to {self._at} bytes and more, over"
                f" {limits.ratio} times; no photos do that"
            )


def _reader(file: IO[bytes], magic: bytes) -> tuple[Reader, bool]:
    """What inflates the file, told by its first bytes, and whether it is compressed at all."""
    if magic.startswith(GZIP):
        return gzip.GzipFile(fileobj=file), True
    if magic.startswith(BZIP2):
        return bz2.BZ2File(file), True
    if magic == XZ:
        return XzReader(file), True
    return file, False


class Once:
    """The bytes of a member of a stream: there once, and only until the stream goes on."""

    def __init__(self, stream: Stream, info: tarfile.TarInfo, inspection: Inspection) -> None:
        self._stream = stream
        self._name = info.name
        self._at = info.offset_data
        self._size = info.size
        self._inspection = inspection

    def __call__(self) -> bytes:
        """Read them."""
        if self._stream.tell() != self._at:
            raise self._inspection.refusal(self._name, "was read twice, or after the next one was drawn")
        chunks = []
        missing = self._size
        try:
            while missing and (chunk := self._stream.read(min(CHUNK_BYTES, missing))):
                chunks.append(chunk)
                missing -= len(chunk)
        except FAULTS as error:
            raise self._inspection.broken(error) from error
        if missing:
            raise self._inspection.refusal(
                self._name, f"ends {missing} bytes early; fetch or pack the archive again"
            )
        return b"".join(chunks)


def tar_names(path: Path, inspection: Inspection) -> Iterator[str]:
    """The names of the files in a tar, in the archive's order. Reads all of it: a tar has no list of members."""
    return (member.name for member in tar_members(path, inspection))


def tar_members(path: Path, inspection: Inspection) -> Iterator[Member]:
    """The files in a tar, in the archive's order."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        stream = Stream(file, inspection)
        archive = _open(stream, inspection)
        while info := _next(archive, inspection):
            if _is_file(info, inspection):
                name = inspection.admit_file(info.name, info.size)
                yield Member(name, Once(stream, info, inspection))
        _check_end(stream, inspection)


def _open(stream: Stream, inspection: Inspection) -> tarfile.TarFile:
    try:
        # Escaped and not refused yet: a long name's header repeats its beginning, cut within a character. Names
        # that are escaped still when a member is complete are refused with every other wrong name.
        return tarfile.TarFile(
            fileobj=cast("IO[bytes]", stream), mode="r", encoding="utf-8", errors="surrogateescape"
        )
    except ArchiveRefusedError:
        raise
    except FAULTS as error:
        raise inspection.broken(error) from error


def _next(archive: tarfile.TarFile, inspection: Inspection) -> tarfile.TarInfo | None:
    try:
        info = archive.next()
    except ArchiveRefusedError:
        raise
    except FAULTS as error:
        raise inspection.broken(error) from error
    # tarfile remembers every member it has seen.
    cast("Any", archive).members.clear()
    if len(archive.pax_headers) > GLOBAL_HEADERS:
        raise inspection.broken(f"it has more than {GLOBAL_HEADERS} global headers")
    return info


def _is_file(info: tarfile.TarInfo, inspection: Inspection) -> bool:
    """Whether a member is a file; a folder is noted, and anything else refused."""
    if info.isdir():
        inspection.admit_folder(info.name)
        return False
    if info.issparse() or not info.isreg():
        raise inspection.refusal(info.name, "is a link, a sparse or a special file; pack the file itself")
    return True


def _check_end(stream: Stream, inspection: Inspection) -> None:
    """tarfile takes any nonsense for the end; the real one is a block of zeros, and zeros after it."""
    if stream.last != END_BLOCK:
        raise inspection.broken("it does not end as a tar does")
    try:
        while rest := stream.read(CHUNK_BYTES):
            if rest.strip(b"\0"):
                raise inspection.broken("there is more data after its end")
    except FAULTS as error:
        raise inspection.broken(error) from error

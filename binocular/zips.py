"""Zip archives, read in place and never trusted.

Everything the archive says of itself is checked before the first byte of a member is inflated: the directory is
walked with bounded reads and must hold as many members as it claims, no two members may share bytes of the file
(that is how a few kilobytes become petabytes), and only what inflates in bounded steps is taken.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final, NamedTuple

from binocular.errors import ArchiveRefusedError
from binocular.inspection import Inspection, Member

CHUNK_BYTES = 1 << 16
END_SIGNATURE = b"PK\x05\x06"
END = struct.Struct("<4s4H2LH")
END64_LOCATOR = struct.Struct("<4sLQL")
END64_LOCATOR_SIGNATURE = b"PK\x06\x07"
END64 = struct.Struct("<4sQ2H2L4Q")
END64_SIGNATURE = b"PK\x06\x06"
LONGEST_COMMENT = 0xFFFF
ENTRY = struct.Struct("<4s24x3H12x")
ENTRY_SIGNATURE = b"PK\x01\x02"
# zipfile holds the whole list. One entry may have a long comment, but not all of them.
TYPICAL_ENTRY_BYTES = 1 << 10
LONGEST_ENTRY_BYTES = 1 << 16
LOCAL_HEADER_BYTES = 30

ENCRYPTED = 0x1 | 0x40 | 0x2000
UTF8 = 0x800
UNIX = 3
# bzip2 and LZMA inflate in unbounded steps, and nobody packs photos with them.
METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
FAULTS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)


class Directory(NamedTuple):
    """Where the end of a zip file says its list of members is."""

    claimed: int
    offset: int
    size: int


def zip_names(path: Path, inspection: Inspection) -> Iterator[str]:
    """The names of the files in a zip, sorted, each in order."""
    with _opened(path, inspection) as members:
        yield from (name for name, _, _ in members)


def zip_members(path: Path, inspection: Inspection) -> Iterator[Member]:
    """The files in a zip, sorted by name."""
    with _opened(path, inspection) as members:
        for name, info, archive in members:
            yield Member(name, partial(_read, archive, info, inspection))


@contextmanager
def _opened(
    path: Path, inspection: Inspection
) -> Iterator[Iterator[tuple[str, zipfile.ZipInfo, zipfile.ZipFile]]]:
    """The members of a zip whose directory has been found in order."""
    with path.open("rb") as file:
        try:
            directory = _directory(file, path.stat().st_size, inspection)
            archive = zipfile.ZipFile(file)
        except ArchiveRefusedError:
            raise
        except UnicodeDecodeError as error:
            raise inspection.broken("a member's name is not the UTF-8 it claims to be") from error
        except FAULTS as error:
            raise inspection.broken(error) from error
        with archive:
            names = _inspect(archive, inspection)
            _refuse_overlaps(archive, directory, inspection)
            yield ((name, info, archive) for name, info in sorted(names.items(), key=lambda item: item[0]))


def _directory(file: IO[bytes], size: int, inspection: Inspection) -> Directory:
    """Find the list of members and count it without holding it: it may be long, and its claims wrong."""
    found = _end(file, size)
    if found is None:
        raise inspection.broken("it has no list of members at its end")
    claimed, directory_bytes, end = found
    offset = end - directory_bytes
    if offset < 0:
        raise inspection.broken("its list of members is longer than the file")
    count = 0
    file.seek(offset)
    while file.tell() < end:
        signature, *lengths = ENTRY.unpack(file.read(ENTRY.size))
        if signature != ENTRY_SIGNATURE:
            raise inspection.broken(f"entry {count + 1} of its list of members is none")
        count += 1
        if count > inspection.limits.members:
            raise ArchiveRefusedError(
                f"{inspection.archive} holds more than the {inspection.limits.members} members that are taken;"
                " split the archive"
            )
        file.seek(sum(lengths), 1)
    if directory_bytes > inspection.limits.members * TYPICAL_ENTRY_BYTES + LONGEST_ENTRY_BYTES:
        raise inspection.broken(f"it takes {directory_bytes} bytes to list {count} members")
    if count != claimed:
        raise inspection.broken(f"it claims {claimed} members and lists {count}")
    return Directory(claimed, offset, directory_bytes)


def _end(file: IO[bytes], size: int) -> tuple[int, int, int] | None:
    """How many members the end of the file claims, the bytes of their list, and where that list ends."""
    tail_at = max(0, size - END.size - LONGEST_COMMENT)
    file.seek(tail_at)
    tail = file.read(END.size + LONGEST_COMMENT)
    at = tail.rfind(END_SIGNATURE)
    if at < 0 or len(tail) - at < END.size:
        return None
    _, _, _, _, claimed, directory_bytes, _, _ = END.unpack_from(tail, at)
    end = tail_at + at
    locator_at = end - END64_LOCATOR.size
    if locator_at >= END64.size:
        file.seek(locator_at - END64.size)
        block = file.read(END64.size + END64_LOCATOR.size)
        if block[END64.size :].startswith(END64_LOCATOR_SIGNATURE) and block.startswith(END64_SIGNATURE):
            _, _, _, _, _, _, _, claimed, directory_bytes, _ = END64.unpack_from(block)
            end = locator_at - END64.size
    return claimed, directory_bytes, end


def _inspect(archive: zipfile.ZipFile, inspection: Inspection) -> dict[str, zipfile.ZipInfo]:
    """Each file by its name, once every member has been found in order."""
    files = {}
    for info in archive.infolist():
        raw = _decoded(info, inspection)
        _refuse_special(info, raw, inspection)
        if raw.endswith("/"):
            inspection.admit_folder(raw)
        else:
            name = inspection.admit_file(raw, info.file_size)
            inspection.check_ratio(raw, info.file_size, info.compress_size)
            files[name] = info
    return files


def _decoded(info: zipfile.ZipInfo, inspection: Inspection) -> str:
    """The name as it was meant. Without the UTF-8 mark no zip says which code page its names are in."""
    raw = info.orig_filename
    if info.flag_bits & UTF8 or raw.isascii():
        return raw
    try:
        return raw.encode("cp437").decode()
    except UnicodeError as error:
        raise inspection.refusal(raw, "has a name that is not UTF-8; pack the archive with UTF-8 names") from error


def _refuse_special(info: zipfile.ZipInfo, raw: str, inspection: Inspection) -> None:
    if info.flag_bits & ENCRYPTED:
        raise inspection.refusal(raw, "is encrypted; pack the archive without a password")
    if info.compress_type not in METHODS:
        raise inspection.refusal(
            raw, f"is packed by method {info.compress_type}; pack it stored or deflated, as zip does by default"
        )
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == UNIX else 0
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise inspection.refusal(raw, "is a link or a special file; pack the file itself")


def _refuse_overlaps(archive: zipfile.ZipFile, directory: Directory, inspection: Inspection) -> None:
    """No two members may be made of the same bytes, nor of those of the list of members."""
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    limits = [*(info.header_offset for info in infos[1:]), directory.offset]
    for info, limit in zip(infos, limits, strict=False):
        name_bytes = len(info.orig_filename.encode("utf-8" if info.flag_bits & UTF8 else "cp437"))
        end = info.header_offset + LOCAL_HEADER_BYTES + name_bytes + info.compress_size
        if info.header_offset < 0 or end > limit:
            raise inspection.refusal(info.orig_filename, "shares its bytes with another; pack the archive again")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, inspection: Inspection) -> bytes:
    """A member's bytes, which must be as many as it declares and have the checksum it declares."""
    chunks = []
    try:
        with archive.open(info) as member:
            while chunk := member.read(CHUNK_BYTES):
                chunks.append(chunk)
    except FAULTS as error:
        raise inspection.refusal(info.orig_filename, f"cannot be read: {error}; pack the archive again") from error
    data = b"".join(chunks)
    if len(data) != info.file_size:
        raise inspection.refusal(info.orig_filename, f"declares {info.file_size} bytes and has {len(data)}")
    return data

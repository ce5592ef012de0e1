"""Zip and tar archives as sources: what they are is told by their first bytes, never by their name.

Members are read straight from the archive; nothing is unpacked to disk, and an archive inside the archive is
a file like any other. The archive is gone through once for the names, which decide the layout, and once more
for the files.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from binocular.errors import ArchiveRefusedError
from binocular.inspection import Inspection, Limits, Member
from binocular.layout import Layout
from binocular.zips import END_SIGNATURE, zip_members, zip_names
from components.ingest.found import Found
from components.ingest.tars import BZIP2, GZIP, XZ, tar_members, tar_names

ZIP = b"PK\x03\x04"
TAR, TAR_AT = b"ustar", 257

Names = Callable[[Path, Inspection], Iterator[str]]
Members = Callable[[Path, Inspection], Iterator[Member]]


def archive_files(path: Path, limits: Limits, title: str = "") -> Iterator[Found]:
    """The files in an archive that belong to a class. `title` is its name for people, where the file's is none."""
    title = title or path.name
    names, members = _format(path, title)
    layout = Layout(names(path, Inspection(title, limits)), title)
    for member in members(path, Inspection(title, limits)):
        if place := layout.place(member.name):
            yield Found(f"{title}!{member.name}", place.label, place.split, member.read)


def _format(path: Path, title: str) -> tuple[Names, Members]:
    """How to read this archive."""
    with path.open("rb") as file:
        head = file.read(TAR_AT + len(TAR))
    if head.startswith((ZIP, END_SIGNATURE)):
        return zip_names, zip_members
    if head.startswith((GZIP, BZIP2, XZ)) or head[TAR_AT:] == TAR:
        return tar_names, tar_members
    raise ArchiveRefusedError(
        f"{title} is neither a zip nor a tar (plain, .gz, .bz2 or .xz); pack the folder as one of these"
    )

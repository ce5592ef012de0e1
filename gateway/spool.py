"""Images on this machine's disk, for good or until the store has them, so that no answer waits for the store.

    draft = spool.begin(name)               # a file that this process holds
    number = draft.add(b"…")                # on disk, in the order of their numbers
    spool.read(name, number)                # by any process of this machine
    draft.let_go()                          # it is whole: whoever takes it first delivers it
    for whole in spool.abandoned(): ...     # those, also of processes that have died

A file is its images one after the other, each behind its length. An image that a dying process wrote in part is
none: nobody was told of it.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self

from binocular.errors import DiskFullError, NotFoundError

LENGTH: Final = struct.Struct(">I")
HIDDEN: Final = "."  # how the name of a file begins that is not held by anybody yet


class Draft:
    """A file of images that one process holds: it alone adds to it, delivers it, and deletes it."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self.images = self.size = 0  # what was added by this process
        self._file = file

    @classmethod
    def taken(cls, path: Path) -> Self | None:
        """A file that nobody holds, now held; None where somebody does, or it is gone."""
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:  # it may have been delivered between the two
                return cls(path, file)
        except BlockingIOError:
            pass
        os.close(file)
        return None

    def add(self, data: bytes) -> int:
        """Write an image behind the others; its number. OSError, and no trace of it, where that cannot be done."""
        size = LENGTH.size + len(data)
        if os.pwritev(self._file, [LENGTH.pack(len(data)), data], self.size) < size:
            os.ftruncate(self._file, self.size)
            raise DiskFullError(f"the disk of {self.path.parent} is full: free some space")
        self.size += size
        self.images += 1
        return self.images - 1

    def contents(self) -> list[bytes]:
        """Its images."""
        return _frames(self.path)

    def delete(self) -> None:
        """It was delivered."""
        self.path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Hold it no longer."""
        os.close(self._file)


class Spool:
    """The files of one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, name: str) -> Draft:
        """A new file, held by this process."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        hidden = self._folder / f"{HIDDEN}{name}"
        file = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        # Under its name only now: without the lock another process would take it for abandoned.
        path = hidden.rename(self._folder / name)
        return Draft(path, file)

    def size(self) -> int:
        """How many bytes wait."""
        total = 0
        for path in self._paths():
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def read(self, name: str, number: int) -> bytes:
        """An image that waits; NotFoundError where there is no such one, perhaps since the store has it."""
        try:
            with (self._folder / name).open("rb") as file:
                for _ in range(number):
                    file.seek(_length(file), os.SEEK_CUR)
                length = _length(file)
                data = file.read(length)
        except FileNotFoundError:
            length, data = 1, b""
        if len(data) < length:
            raise NotFoundError("no such image is on this machine")
        return data

    def abandoned(self) -> Iterator[Draft]:
        """The files that nobody holds, the oldest first, each held by this process from now on."""
        for path in self._paths():
            if draft := Draft.taken(path):
                yield draft

    def _paths(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if not path.name.startswith(HIDDEN))
        except FileNotFoundError:
            return []


def _length(file: IO[bytes]) -> int:
    """How long the next image is; more than there is, behind the last."""
    read = file.read(LENGTH.size)
    return int(LENGTH.unpack(read)[0]) if len(read) == LENGTH.size else 1


def _frames(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at + LENGTH.size <= len(data):
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size + length
        if at > len(data):
            break
        found.append(data[at - length : at])
    return found

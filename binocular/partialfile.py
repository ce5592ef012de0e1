"""A file that appears under its name only when it is whole, and whose half-written state can be continued."""

import fcntl
import hashlib
import os
import uuid
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

LONGEST_NAME = 100


class PartialFile:
    """`path` on its way in: a hidden file beside it, which the next try for the same content continues.

    `identity` tells one content from another. Of two processes that bring the same file at once, the second
    works on a file of its own; the last to finish wins, and both wrote the same.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        tag = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._part = path.with_name(f".{path.name[:LONGEST_NAME]}.{tag}.part")
        self._continuable = True

    def __enter__(self) -> Self:
        self._file = self._open()
        if not self._owned():
            self._file.close()
            self._part = self._part.with_name(f"{self._part.name}.{uuid.uuid4().hex}")
            self._continuable = False
            self._file = self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self._continuable:
            self._part.unlink(missing_ok=True)

    def _open(self) -> FileIO:
        return self._part.open("a+b", buffering=0)

    def _owned(self) -> bool:
        """Whether nobody else writes this file, and it has not been moved to its final name since we opened it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(self._file.fileno()), self._part.stat())
        except OSError:
            return False

    @property
    def size(self) -> int:
        """How many bytes are there already."""
        return os.fstat(self._file.fileno()).st_size

    def digest(self, whole: int) -> "hashlib._Hash":
        """The SHA-256 of what is there already; starts over if that is more than `whole` bytes."""
        if self.size > whole:
            self._file.truncate(0)
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256")

    def write(self, data: bytes) -> None:
        """Append all of it, or raise OSError."""
        left = memoryview(data)
        while left:  # a disk that runs full takes a part without a word, and refuses the next
            left = left[self._file.write(left) :]

    def restart(self) -> None:
        """Forget what is there."""
        self._file.truncate(0)

    def discard(self) -> None:
        """What is there is wrong: the next try starts over."""
        self._continuable = False

    def finish(self) -> None:
        """Put the file under its name, on the disk and not just in its cache."""
        os.fsync(self._file.fileno())
        self._part.replace(self._path)

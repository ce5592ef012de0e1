"""The folder of one model, as a model server reads it, and what the puller keeps in it unseen.

    <base>/<model>/3/                  what is served: a bundle's files and nothing else
    <base>/<model>/2/                  an older version that is kept
    <base>/<model>/.puller/            ours; a model server looks at numbers only
        incoming/  aside/4/  manifests/3.json  lock

A model server serves the highest number. So the version in production is the highest number here, always: older
ones may lie beside it, and after a roll back the newer ones are set aside. Each change is one rename, so that a
version is there whole or not at all, whenever this process dies.
"""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from binocular.errors import ConflictError, DiskFullError, IntegrityError
from binocular.publication import Manifest, describe
from binocular.registry import check_name
from binocular.settings import variable
from serving.versions import versions_in

OURS: Final = ".puller"
# What else a disk needs to go on working.
SPARE_BYTES: Final = 1 << 20

log = logging.getLogger(__name__)


class ModelFolder:
    """The version folders of one model."""

    def __init__(self, base: Path, name: str) -> None:
        self.path = base / check_name(name)
        self._ours = self.path / OURS
        self._incoming, self._aside = self._ours / "incoming", self._ours / "aside"
        self._manifests, self._trash = self._ours / "manifests", self._ours / "trash"
        self._lock: IO[bytes] | None = None

    # One puller at a time

    def lock(self) -> bool:
        """Become the one puller of this folder, until `unlock` or this process ends; False while another is."""
        self._trash.mkdir(parents=True, exist_ok=True)
        file = (self._ours / "lock").open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(f"{os.uname().nodename}, process {os.getpid()}".encode())
        file.flush()
        self._lock = file
        self.empty_trash()
        return True

    def unlock(self) -> None:
        """Let another be the puller."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def owner(self) -> str:
        """Who is the puller of this folder."""
        with contextlib.suppress(OSError):
            return (self._ours / "lock").read_text(errors="replace")
        return ""

    # What is there

    def visible(self) -> dict[int, Path]:
        """The versions that a model server sees."""
        return _versions(self.path)

    def offered(self) -> int | None:
        """The version that a model server serves: the highest."""
        return max(self.visible(), default=None)

    def local(self, version: int) -> Path | None:
        """Where a version lies, seen or set aside."""
        return self.visible().get(version) or _versions(self._aside).get(version)

    def manifest(self, version: int) -> Manifest | None:
        """What a version that we brought consists of; None where we did not bring it."""
        path = self._manifests / f"{version}.json"
        try:
            return Manifest.load(path) if path.exists() else None
        except IntegrityError:
            return None

    # Bringing a version

    def arriving(self, version: int, manifest: Manifest) -> Path:
        """Where a version is brought together; DiskFullError where there is no room for it."""
        folder = self._incoming / f"{version}-{manifest.digest}"
        self._incoming.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            self._need(sum(file.size for file in manifest.files))
        return folder

    def _need(self, size: int) -> None:
        already = sum(path.stat().st_size for path in self._incoming.rglob("*") if path.is_file())
        free = shutil.disk_usage(self._incoming).free + already
        if free < size + SPARE_BYTES:
            raise DiskFullError(
                f"the disk of {self.path} has {free >> 10} kB free, the version needs "
                f"{(size + SPARE_BYTES) >> 10}; free some, or name another folder in {variable('puller_folder')}"
            )

    def show(self, version: int, folder: Path, manifest: Manifest) -> None:
        """Make a version visible that lies in a folder of ours, verified byte by byte first."""
        verify(folder, manifest)
        self._manifests.mkdir(parents=True, exist_ok=True)
        draft = self._manifests / f".{version}"
        manifest.write(draft)
        draft.replace(self._manifests / f"{version}.json")
        folder.rename(self.path / str(version))

    def set_aside_above(self, version: int) -> list[int]:
        """Take newer versions out of a server's sight, so that it serves this one, where this one is there."""
        visible = self.visible()
        newer = sorted(each for each in visible if each > version)
        if version not in visible or not newer:
            return []
        self._aside.mkdir(parents=True, exist_ok=True)
        # The highest is served, and goes last: nothing between comes into production for a moment.
        for each in newer:
            if (self._aside / str(each)).exists():
                self.discard(self._aside / str(each))
            visible[each].rename(self._aside / str(each))
        return newer

    # Deleting

    def delete_except(self, wanted: int, previous: int | None, newest: int) -> list[int]:
        """Delete what is ours and not kept: never what is wanted, nor anything while that is not there."""
        if self.offered() != wanted:
            return []
        brought = {*self.visible(), *_versions(self._aside)}
        ours = {version for version in brought if self.manifest(version) is not None}
        gone = sorted(ours - {wanted, previous, *sorted(ours)[-newest:]})
        for version in gone:
            path = self.local(version)
            if path is not None:
                self.discard(path)
            (self._manifests / f"{version}.json").unlink(missing_ok=True)
        return gone

    def forget_arrivals(self) -> None:
        """Delete what was brought and is not wanted any more."""
        if self._incoming.exists() and any(self._incoming.iterdir()):
            self.discard(self._incoming)

    def discard(self, path: Path) -> None:
        """Delete a folder, which disappears at once however long that takes."""
        self._trash.mkdir(parents=True, exist_ok=True)  # made by `lock` already: a full disk may not allow it
        path.rename(self._trash / uuid.uuid4().hex)
        self.empty_trash()

    def empty_trash(self) -> None:
        """Finish deletions, also those that an earlier process began."""
        for path in self._trash.iterdir():
            shutil.rmtree(path, ignore_errors=True)


def verify(folder: Path, manifest: Manifest) -> None:
    """IntegrityError unless a folder holds exactly what was published."""
    if describe(folder) != manifest:
        raise IntegrityError(f"{folder} does not hold the files that were published")


def refuse_other(folder: Path, manifest: Manifest) -> None:
    """ConflictError where a visible version is not the published one; it is somebody's, and is left alone."""
    if describe(folder) != manifest:
        raise ConflictError(
            f"{folder} holds other files than the version of that number in the store: delete it while no server"
            f" reads it, or name another folder in {variable('puller_folder')}"
        )


@contextlib.contextmanager
def disk_full_explained(path: Path) -> Iterator[None]:
    """DiskFullError where the system says that there is no room."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError(f"the disk of {path} is full: free some space") from None
        raise


def _versions(folder: Path) -> dict[int, Path]:
    """The versions in a folder; none where there is no folder."""
    try:
        return versions_in(folder)
    except FileNotFoundError:
        return {}

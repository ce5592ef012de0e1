"""A disk of a few MB that only the commands run on it see, to be filled."""

import shutil
import subprocess
from pathlib import Path
from typing import Self

import pytest


class SmallDisk:
    """A folder that is such a disk; the test is skipped where this machine lets nobody make one."""

    MOUNT = 'mount -t tmpfs -o size="$1" none "$2" && echo mounted && exec sleep infinity'

    def __init__(self, folder: Path, size: str) -> None:
        self.folder, self._size = folder, size

    def __enter__(self) -> Self:
        if not shutil.which("unshare") or not shutil.which("nsenter"):
            pytest.skip("this machine has no unshare and nsenter")
        command = ["unshare", "-rm", "sh", "-c", self.MOUNT, "sh", self._size, str(self.folder)]
        self._keeper = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "mounted\n":
            self.__exit__()
            pytest.skip("this machine lets nobody make a small disk")
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.kill()
        self._keeper.communicate()

    @property
    def before(self) -> tuple[str, ...]:
        """What stands before a command that is to run on it, in its folder."""
        enter = ("nsenter", "--preserve-credentials", "-U", "-m", "-t", str(self._keeper.pid))
        return (*enter, "sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(self.folder))

    @property
    def seen(self) -> Path:
        """Its folder, as those see it who are not on it."""
        return Path(f"/proc/{self._keeper.pid}/root", *self.folder.parts[1:])

    def fill(self) -> None:
        """Leave no room at all."""
        with (self.seen / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                return

    def make_room(self) -> None:
        """Give back what filling it took."""
        (self.seen / "filler").unlink()

"""Reading the parts' logs: the last lines, and what comes after."""

import time
from collections.abc import Iterator
from pathlib import Path

from binocular.errors import NotFoundError
from binocular.settings import Settings
from binocular.state import log_folder

POLL_S = 0.2


def lines(settings: Settings, names: tuple[str, ...], last: int, *, following: bool) -> Iterator[tuple[str, str]]:
    """(part, line) of the parts named, or of all: the `last` lines of each, then new ones if `following`."""
    paths = {path.stem: path for path in sorted(log_folder(settings).glob("*.log"))}
    if unknown := [name for name in names if name not in paths]:
        raise NotFoundError(
            f"no log of {unknown[0]!r}; there are: {', '.join(paths) or 'none yet, see `binocular up`'}"
        )
    chosen = {name: _Tail(paths[name]) for name in (names or paths)}
    for name, tail in chosen.items():
        yield from ((name, line) for line in tail.new()[-last:] if last)
    while following:
        time.sleep(POLL_S)
        for name, tail in chosen.items():
            yield from ((name, line) for line in tail.new())


class _Tail:
    """One log file, read as it grows; starts over when it was cut off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[str]:
        """The complete lines since the last call."""
        if self._path.stat().st_size < self._offset:
            self._offset = 0
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines() if newline else []

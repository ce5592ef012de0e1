"""Which versions lie in a model's folder, as the model server and the puller both understand it.

A version is a folder whose whole name is a number, as `3` or `0003`. Everything else is none: `.3` (how a
version is hidden while it is made), `3.tmp`, a file.
"""

import logging
import os
import re
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

HIGHEST: Final = 2**63 - 1


def versions_in(base: Path) -> dict[int, Path]:
    """Every version in a folder, as they were at one moment. OSError where it cannot be read."""
    found: dict[int, Path] = {}
    with os.scandir(base) as entries:
        # What an entry is comes with the listing. Asking about each path afterwards would miss a version that is
        # renamed meanwhile, and its successor as well, which was not there yet when the list was made.
        names = sorted(entry.name for entry in entries if _is_version(entry))
    for name in names:
        if int(name) in found:
            log.warning("two folders of one version", extra={"ignored": base / name, "taken": found[int(name)]})
        found.setdefault(int(name), base / name)
    return found


def _is_version(entry: os.DirEntry[str]) -> bool:
    named = re.fullmatch(r"[0-9]{1,19}", entry.name, re.ASCII) and int(entry.name) <= HIGHEST
    return bool(named) and entry.is_dir()

"""Which versions lie in a model's folder, as the model server and the puller both understand it.

A version is a folder whose whole name is a number, as `3` or `0003`. Everything else is none: `.3` (how a
version is hidden while it is made), `3.tmp`, a file.
"""

import logging
import re
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

HIGHEST: Final = 2**63 - 1


def versions_in(base: Path) -> dict[int, Path]:
    """Every version in a folder. OSError where it cannot be read."""
    found: dict[int, Path] = {}
    for path in sorted(base.iterdir()):
        if re.fullmatch(r"[0-9]{1,19}", path.name, re.ASCII) and int(path.name) <= HIGHEST and path.is_dir():
            if int(path.name) in found:
                log.warning("two folders of one version", extra={"ignored": path, "taken": found[int(path.name)]})
            found.setdefault(int(path.name), path)
    return found

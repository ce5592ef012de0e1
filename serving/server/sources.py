"""Which versions lie in a model's folder.

A version is a folder whose whole name is a number, as `3` or `0003`. Everything else is none: `.3` (how a
version is hidden while it is made), `3.tmp`, a file.
"""

import logging
import re
from pathlib import Path

from serving.server.config import ModelConfig

log = logging.getLogger(__name__)

HIGHEST = 2**63 - 1


def versions_in(base: Path) -> dict[int, Path]:
    """Every version in a folder. OSError where it cannot be read."""
    found: dict[int, Path] = {}
    for path in sorted(base.iterdir()):
        if re.fullmatch(r"[0-9]{1,19}", path.name, re.ASCII) and int(path.name) <= HIGHEST and path.is_dir():
            if int(path.name) in found:
                log.warning("two folders of one version", extra={"ignored": path, "taken": found[int(path.name)]})
            found.setdefault(int(path.name), path)
    return found


def aspired(config: ModelConfig) -> dict[int, Path]:
    """The versions to serve, by the model's policy. OSError where the folder cannot be read."""
    present = versions_in(config.base_path)
    return {version: present[version] for version in config.policy.choose(present)}

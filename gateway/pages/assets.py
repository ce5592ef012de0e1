"""The files of the dashboard in memory, each also compressed, under one digest of them all.

All styles are one file, `style.css`: the tokens, the base, then each page's.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
STYLE = "style.css"
FIRST_STYLES = ("tokens.css", "base.css")
START = "app.js"
IMPORT = re.compile(rb'from "\./([\w-]+\.js)"')
DIGEST_CHARACTERS = 16


@dataclass(frozen=True)
class Asset:
    """One file."""

    data: bytes
    content_type: str

    @cached_property
    def gzipped(self) -> bytes:
        """The file, compressed once for all who ask."""
        return gzip.compress(self.data, mtime=0)


def digest_of(files: Mapping[str, Asset]) -> str:
    """What names a release of these files."""
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        digest.update(f"{name}\0{len(file.data)}\0".encode())
        digest.update(file.data)
    return digest.hexdigest()[:DIGEST_CHARACTERS]


class Assets:
    """Every file of a folder, by name."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in folder.iterdir() if path.suffix in TYPES)
        styles = sorted((path for path in paths if path.suffix == ".css"), key=_rank)
        self.files = {path.name: Asset(path.read_bytes(), TYPES[path.suffix]) for path in paths}
        style = b"\n".join(self.files.pop(path.name).data for path in styles)
        self.files[STYLE] = Asset(style, TYPES[".css"])
        self.digest = digest_of(self.files)

    def first(self, script: str) -> list[str]:
        """What a page needs at once: its script, the frame's, and all they import. None waits for another."""
        found: dict[str, None] = {}
        waiting = [START, script]
        for name in waiting:
            if name not in found:
                found[name] = None
                waiting += [each.decode() for each in IMPORT.findall(self.files[name].data)]
        return list(found)


def _rank(path: Path) -> tuple[int, str]:
    known = path.name in FIRST_STYLES
    return (FIRST_STYLES.index(path.name) if known else len(FIRST_STYLES), path.name)

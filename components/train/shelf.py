"""Where a training keeps what a later one may use again: embeddings, and weights that were downloaded.

    shelf = StoreShelf(connect(load()), scratch)     # or FolderShelf(path)
    shelf.keep("weights/net.h5", path)
    shelf.fetch("weights/net.h5")                    # a path, or None

What lies there under a name never changes.
"""

import shutil
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from binocular.errors import NotFoundError
from binocular.folders import file_names, inside
from binocular.store import Store

# How the names of files begin that are not whole yet.
DRAFT = ".draft-"


class Shelf(Protocol):
    """Files by name."""

    def names(self, prefix: str) -> list[str]:
        """The names below `prefix/`, sorted."""

    def fetch(self, name: str) -> Path | None:
        """A local copy of a file, or None."""

    def keep(self, name: str, path: Path) -> None:
        """Put a file there."""


class FolderShelf:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, prefix: str) -> list[str]:
        """The names below `prefix/`, sorted."""
        folder = inside(self._folder, prefix)
        names = file_names(folder) if folder.is_dir() else []
        return [f"{prefix}/{name}" for name in names if not name.rpartition("/")[2].startswith(DRAFT)]

    def fetch(self, name: str) -> Path | None:
        """The file itself, or None."""
        path = inside(self._folder, name)
        return path if path.is_file() else None

    def keep(self, name: str, path: Path) -> None:
        """Copy a file there; it appears whole."""
        target = inside(self._folder, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{DRAFT}{uuid4().hex}")  # a name of its own: two trainings may keep the same
        shutil.copyfile(path, draft)
        draft.replace(target)


class StoreShelf:
    """The object store; what is fetched lies in a scratch folder for as long as that does."""

    def __init__(self, store: Store, scratch: Path) -> None:
        self._store = store
        self._scratch = scratch

    def names(self, prefix: str) -> list[str]:
        """The names below `prefix/`, sorted."""
        return [entry.key for entry in self._store.entries(f"{prefix}/")]

    def fetch(self, name: str) -> Path | None:
        """A verified copy, or None."""
        path = inside(self._scratch, name)
        try:
            self._store.get_file(name, path)
        except NotFoundError:
            return None
        return path

    def keep(self, name: str, path: Path) -> None:
        """Put a file into the store."""
        self._store.put_file(name, path)

"""Which class and which split a file belongs to, told from the names of all files of a source.

Understood are `<class>/**/file` and `train|val|test/<class>/**/file`, either with one folder around all of it.
Names are relative, with '/' between their parts. Only folders are remembered, so a hundred thousand files cost
no more than their classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from binocular.errors import InvalidLabelError, SourceError
from binocular.labels import check_label, find_alike
from binocular.snapshot import Split

SPLITS: Final[dict[str, Split]] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}  # what decoders know
)
OTHER_SUFFIXES = frozenset(
    {".txt", ".md", ".csv", ".json", ".jsonl", ".xml", ".html", ".pdf", ".py"}
    | {".ini", ".db", ".yaml", ".yml", ".log"}
)
# What macOS and Windows leave in every folder they show.
LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
NAMED = 3
# A wrapping folder, a split, a class: no folder below these decides anything.
DECISIVE_DEPTH = 3

Folder = tuple[str, ...]


def is_candidate(name: str) -> bool:
    """Whether a file may be an image: not hidden, no litter, and not by its suffix something else."""
    parts = name.split("/")
    if any(part.startswith(".") or part.lower() in LITTER for part in parts):
        return False
    return _suffix(parts[-1]) not in OTHER_SUFFIXES


def looks_like_image(name: str) -> bool:
    """Whether the suffix is one of an image."""
    return _suffix(name) in IMAGE_SUFFIXES


def _suffix(name: str) -> str:
    """The end of a name from its last dot on. A path object would cost more than everything else here."""
    _, dot, end = name.rpartition(".")
    return dot + end.lower()


@dataclass(frozen=True)
class Place:
    """Where a file belongs."""

    label: str
    split: Split | None


class Layout:
    """How a source is laid out; tells the place of each of its files."""

    def __init__(self, names: Iterable[str], source: str) -> None:
        self._source = source
        self._folders = _folders(names)
        self._root = self._look_through()
        tops = self._below(self._root)
        self._published = bool(tops) and all(top.lower() in SPLITS for top in tops)
        parents = [(*self._root, top) for top in tops] if self._published else [self._root]
        self._refuse_loose(parents)
        self._labels = self._classes({name for parent in parents for name in self._below(parent)})
        self._folders.clear()

    def place(self, name: str) -> Place | None:
        """The class and split of a file; None for one that is not part of the data."""
        parts = tuple(name.split("/"))
        inner = parts[len(self._root) :]
        depth = 1 if self._published else 0
        if parts[: len(self._root)] != self._root or len(inner) <= depth + 1 or not is_candidate(name):
            return None
        split = SPLITS[inner[0].lower()] if self._published else None
        return Place(self._labels[inner[depth]], split)

    def _below(self, folder: Folder) -> list[str]:
        """The names of the folders directly in a folder."""
        depth = len(folder)
        return sorted({each[depth] for each in self._folders if len(each) > depth and each[:depth] == folder})

    def _look_through(self) -> Folder:
        """The one folder around everything, as archives have it; () where there is none."""
        tops = self._below(())
        if len(tops) != 1 or tops[0].lower() in SPLITS or self._folders.get(()):
            return ()
        only = (tops[0],)
        is_class = bool(self._folders.get(only)) or not self._below(only)
        return () if is_class else only

    def _refuse_loose(self, parents: list[Folder]) -> None:
        loose = ["/".join((*parent, name)) for parent in parents for name in self._folders.get(parent, [])]
        if loose:
            raise SourceError(
                f"{self._source}: {', '.join(loose[:NAMED])} {'lies' if len(loose) == 1 else 'lie'} outside any"
                " class; put each image in a folder named after its class"
            )

    def _classes(self, names: set[str]) -> dict[str, str]:
        """The label of each class folder."""
        if not names:
            raise SourceError(f"{self._source} holds no images in class folders; expected <class>/<image>")
        if pair := find_alike(sorted(names)):
            raise SourceError(
                f"{self._source}: class folders {pair[0]!r} and {pair[1]!r} differ only by case or Unicode"
                " spelling; give both the same name, or clearly different ones"
            )
        try:
            return {name: check_label(name) for name in sorted(names)}
        except InvalidLabelError as error:
            raise SourceError(f"{self._source}: {error}") from error


def _folders(names: Iterable[str]) -> dict[Folder, list[str]]:
    """The folders that decide, each with the first few images that lie directly in it."""
    folders: dict[Folder, list[str]] = {}
    for name in filter(is_candidate, names):
        *folder, file = name.split("/")
        loose = folders.setdefault(tuple(folder[:DECISIVE_DEPTH]), [])
        if len(folder) < DECISIVE_DEPTH and len(loose) < NAMED and looks_like_image(file):
            loose.append(file)
    return folders

"""Sources that are trees of files already: a folder on this machine, a prefix in the store."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from binocular.errors import NotFoundError, SourceError, TooLargeError
from binocular.inspection import Limits
from binocular.layout import LITTER, Layout
from binocular.store import Store
from components.ingest.found import Found

SCHEME = "s3://"


def folder_files(folder: Path, limits: Limits) -> Iterator[Found]:
    """The files below a folder that belong to a class, sorted by name."""
    layout = Layout(_names(folder), str(folder))
    for name in sorted(_names(folder)):
        if place := layout.place(name):
            read = partial(read_file, folder / name, limits.member_bytes)
            yield Found(name, place.label, place.split, read)


def read_file(path: Path, limit: int) -> bytes:
    """A file's bytes; TooLargeError beyond `limit` of them, NotFoundError where it is gone."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} is gone; leave the source as it is while it is read") from error
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}; change its permissions or take it out"
        ) from error
    if len(data) > limit:
        raise TooLargeError(f"{path} has more than the {limit} bytes that are taken of one file")
    return data


def _names(folder: Path) -> Iterator[str]:
    """The files below a folder, relative to it. Hidden ones are passed over; a link is refused, not followed."""
    waiting = [(folder, "")]
    while waiting:  # not by recursion: folders may be nested deeper than calls
        here, prefix = waiting.pop()
        for entry in _entries(here):
            if entry.name.startswith(".") or entry.name.lower() in LITTER:
                continue
            if not _is_text(entry.name):
                raise SourceError(f"{entry.path!r} has a name that is not UTF-8; rename it")
            if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                raise SourceError(f"{entry.path} is a link or a special file; replace it with the file itself")
            if entry.is_dir():
                waiting.append((Path(entry.path), f"{prefix}{entry.name}/"))
            else:
                yield prefix + entry.name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"folder {folder} cannot be read: {error.strerror}; change its permissions") from error


def _is_text(name: str) -> bool:
    """Whether a name can be written into a manifest."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def stored_files(store: Store, spec: str, limits: Limits) -> Iterator[Found]:
    """The objects below `s3://bucket/prefix` that belong to a class, in the order of keys."""
    bucket, _, prefix = spec.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise SourceError(f"{spec!r} names no bucket; expected s3://bucket/prefix")
    within = Store(replace(store.endpoint, bucket=bucket))
    base = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    layout = Layout((entry.key.removeprefix(base) for entry in within.entries(base)), spec)
    for entry in within.entries(base):
        if place := layout.place(entry.key.removeprefix(base)):
            read = partial(_object, within, entry.key, limits.member_bytes)
            yield Found(f"{SCHEME}{bucket}/{entry.key}", place.label, place.split, read)


def _object(store: Store, key: str, limit: int) -> bytes:
    return store.read(key, limit).data

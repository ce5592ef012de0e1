"""Moving folders to and from the object store: several files at once, skipping what is there already.

A run that was cut off is continued by running it again. Readers may see a folder half moved; where that
must not be, `publication.py` publishes it whole.
"""

from collections.abc import Iterator
from pathlib import Path

from binocular.errors import InvalidKeyError, NotFoundError
from binocular.parallel import in_parallel
from binocular.store import Entry, Store, check_key, file_sha256


def put_folder(store: Store, folder: Path, prefix: str) -> Iterator[Entry]:
    """Copy every file below `folder` to `prefix/…`, yielding each when it is stored. Consume it to do it."""

    def put(name: str) -> Entry:
        return store.put_file(f"{prefix}/{name}", folder / name)

    return in_parallel(store.endpoint.parallel, put, file_names(folder))


def get_folder(store: Store, prefix: str, folder: Path) -> Iterator[Entry]:
    """Copy every object below `prefix/` to files below `folder`, yielding each when it is verified."""

    def get(entry: Entry) -> Entry:
        path = inside(folder, entry.key.removeprefix(f"{prefix}/"))
        if path.is_file() and path.stat().st_size == entry.size:
            known = store.stat(entry.key)
            if known.sha256 == file_sha256(path):
                return known
        return store.get_file(entry.key, path)

    return in_parallel(store.endpoint.parallel, get, store.entries(f"{prefix}/"))


def file_names(folder: Path) -> list[str]:
    """The files below a folder as keys relative to it, sorted. A link or device is refused, not followed."""
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is not a folder")
    names = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InvalidKeyError(f"{path} is a link or a special file; replace it with the file itself")
        if path.is_file():
            names.append(check_key(path.relative_to(folder).as_posix()))
    return names


def inside(folder: Path, name: str) -> Path:
    """The file a relative key names below a folder; a key that would lead out of it is refused."""
    return folder / check_key(name)

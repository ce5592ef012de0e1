"""Publishing a folder in the object store so that readers see all of it or nothing.

    publish(store, Path("out"), "models/waste/3")
    fetch(store, "models/waste/3", Path("models/3"))     # whole and verified, or an error

The files go to `<prefix>/<digest>/…`, where the digest is that of their names and bytes; then one conditional
write of `<prefix>/manifest.json` makes them public. Of several publishers exactly one wins, and one that was
killed leaves nothing that a reader sees. Publishing the same folder again continues where it stopped. A
publication never changes.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from binocular.documents import Document
from binocular.errors import ConflictError, IntegrityError, NotFoundError
from binocular.folders import file_names, inside
from binocular.parallel import in_parallel
from binocular.store import Store, file_sha256

MANIFEST = "manifest.json"
DIGEST_CHARACTERS = 32


class PublishedFile(BaseModel):
    """One file of a publication."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    size: int = Field(ge=0)
    sha256: str


class Manifest(Document):
    """What a publication consists of; its presence is what makes the files public."""

    digest: str = Field(pattern=rf"^[0-9a-f]{{{DIGEST_CHARACTERS}}}$")
    files: tuple[PublishedFile, ...]


def publish(store: Store, folder: Path, prefix: str) -> Manifest:
    """Publish a folder. ConflictError if something else is published there already."""
    manifest = describe(folder)
    if _published_same(store, prefix, manifest):
        return manifest
    own = f"{prefix}/{manifest.digest}"
    paths = (file.path for file in manifest.files)
    try:
        _exhaust(in_parallel(store.endpoint.parallel, lambda p: store.put_file(f"{own}/{p}", folder / p), paths))
    except NotFoundError:
        # Who wins sweeps away what others are still writing: then it is a conflict that these files are gone.
        _concede(store, prefix, manifest)
        raise
    if describe(folder) != manifest:
        raise ConflictError(f"{folder} changed while it was published to {prefix}; nothing was made public")
    if not store.create(f"{prefix}/{MANIFEST}", manifest.text().encode()):
        _concede(store, prefix, manifest)
    _sweep(store, prefix, manifest)
    return manifest


def read_manifest(store: Store, prefix: str) -> Manifest | None:
    """What is published at a prefix, or None while nothing is."""
    try:
        document = store.read(f"{prefix}/{MANIFEST}")
    except NotFoundError:
        return None
    return Manifest.parse(document.data, f"{prefix}/{MANIFEST}")


def fetch(store: Store, prefix: str, folder: Path) -> Manifest:
    """Bring a publication to a folder that appears only whole and verified; continues an interrupted fetch."""
    manifest = read_manifest(store, prefix)
    if manifest is None:
        raise NotFoundError(f"nothing is published at {prefix}")
    incoming = folder.with_name(f".{folder.name}.{manifest.digest}.incoming")
    if folder.exists():
        return manifest  # it came here by the rename below, so it is whole

    def bring(file: PublishedFile) -> None:
        path = inside(incoming, file.path)
        if not _is_whole(path, file):
            store.get_file(f"{prefix}/{manifest.digest}/{file.path}", path)
            if not _is_whole(path, file):
                path.unlink()
                raise IntegrityError(f"{prefix}: {file.path} does not match its manifest")

    incoming.mkdir(parents=True, exist_ok=True)
    _exhaust(in_parallel(store.endpoint.parallel, bring, manifest.files))
    try:
        incoming.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(incoming, ignore_errors=True)  # another process fetched the same at the same time
    return manifest


def describe(folder: Path) -> Manifest:
    """The manifest a folder would be published with."""
    names = file_names(folder)
    if not names:
        raise NotFoundError(f"{folder} holds no files to publish")
    files = tuple(
        PublishedFile(path=name, size=(folder / name).stat().st_size, sha256=file_sha256(folder / name))
        for name in names
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.size}\0{file.sha256}\n".encode())
    return Manifest(digest=digest.hexdigest()[:DIGEST_CHARACTERS], files=files)


def _published_same(store: Store, prefix: str, manifest: Manifest) -> bool:
    """Whether exactly this is published already; ConflictError if it is something else."""
    present = read_manifest(store, prefix)
    if present is not None and present != manifest:
        raise ConflictError(f"{prefix} is published already, with other content; a publication never changes")
    return present is not None


def _concede(store: Store, prefix: str, manifest: Manifest) -> None:
    """ConflictError if somebody else won; nothing of ours is left, though they may have swept before we wrote."""
    try:
        _published_same(store, prefix, manifest)
    except ConflictError:
        store.delete_prefix(f"{prefix}/{manifest.digest}/")
        raise


def _sweep(store: Store, prefix: str, manifest: Manifest) -> None:
    """Delete what publishers that lost or were killed left at this prefix."""
    dead = re.compile(re.escape(f"{prefix}/") + rf"(?!{manifest.digest}/)[0-9a-f]{{{DIGEST_CHARACTERS}}}/")
    store.delete(*(entry.key for entry in store.entries(f"{prefix}/") if dead.match(entry.key)))


def _is_whole(path: Path, file: PublishedFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and file_sha256(path) == file.sha256


def _exhaust(results: Iterable[object]) -> None:
    for _ in results:
        pass

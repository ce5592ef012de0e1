"""Snapshots in the object store: packs once for all snapshots, rows published whole, a name for the latest.

reference = publish_snapshot(store, Path("snapshot"), "waste")
fetch_snapshot(store, reference, Path("elsewhere"))
latest(store, "waste")        # the reference again, or None before the first
"""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from binocular import snapshot
from binocular.errors import ConflictError, IntegrityError, NotFoundError
from binocular.parallel import in_parallel
from binocular.publication import describe, fetch, publish, read_manifest
from binocular.snapshot import CARD, FACTS, PACKS, REJECTED, ROWS, Snapshot, pack_path
from binocular.store import Store, check_key

SNAPSHOTS = "snapshots"
DATASETS = "datasets"
LATEST = "latest.json"
POINTER_ATTEMPTS = 10


class Reference(BaseModel):
    """Which snapshot: the dataset's version, and where its rows are published.

    The same images, labels and splits found in other places are the same version under another prefix.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    digest: str
    prefix: str

    @classmethod
    def at(cls, prefix: str) -> Self:
        """The reference to what is published at a prefix, which names the digest."""
        parts = prefix.split("/")
        if len(parts) != len(("snapshots", "digest", "publication")) or parts[0] != SNAPSHOTS:
            raise NotFoundError(f"{prefix[:200]!r} is no place of a snapshot: it reads {SNAPSHOTS}/DIGEST/…")
        return cls(digest=parts[1], prefix=check_key(prefix))


def publish_snapshot(store: Store, folder: Path, dataset: str) -> Reference:
    """Put the snapshot of a folder into the store and make it the dataset's latest."""
    frozen = snapshot.read(folder)
    here = [pack for pack in frozen.packs if pack_path(folder, pack).is_file()]
    put_packs(store, folder, here)
    for pack in set(frozen.packs) - set(here):
        store.stat(_pack_key(pack))  # a pack of an earlier snapshot; NotFoundError if it is not there
    with tempfile.TemporaryDirectory() as scratch:
        for name in (FACTS, ROWS, REJECTED, CARD):
            if name != CARD or (folder / name).is_file():
                shutil.copyfile(folder / name, Path(scratch, name))
        prefix = f"{SNAPSHOTS}/{frozen.digest}/{describe(Path(scratch)).digest}"
        publish(store, Path(scratch), prefix)
    reference = Reference(digest=frozen.digest, prefix=prefix)
    _point(store, dataset, reference)
    return reference


def put_packs(store: Store, folder: Path, packs: Iterable[str]) -> None:
    """Put packs of a folder into the store, where all snapshots share them."""
    for _ in in_parallel(
        store.endpoint.parallel, lambda p: store.put_file(_pack_key(p), pack_path(folder, p)), packs
    ):
        pass


def fetch_snapshot(store: Store, reference: Reference, folder: Path, *, packs: bool = True) -> Snapshot:
    """Bring a snapshot to a folder, with its packs unless only the rows are wanted."""
    if not folder.exists():
        fetch(store, reference.prefix, folder)
    frozen = snapshot.read(folder)
    if frozen.digest != reference.digest:
        raise IntegrityError(
            f"{folder} holds the snapshot {frozen.digest}, not {reference.digest}; name another folder"
        )
    fetch_packs(store, folder, frozen.packs if packs else ())
    return frozen


def fetch_packs(store: Store, folder: Path, packs: Iterable[str]) -> None:
    """Bring packs to a snapshot's folder, but for those that it has."""
    missing = [pack for pack in packs if not pack_path(folder, pack).is_file()]
    (folder / PACKS).mkdir(exist_ok=True)
    for _ in in_parallel(
        store.endpoint.parallel, lambda p: store.get_file(_pack_key(p), pack_path(folder, p)), missing
    ):
        pass


def dataset_card(store: Store, reference: Reference) -> str:
    """The dataset card of a snapshot, as Markdown; NotFoundError where an earlier release made it without."""
    manifest = read_manifest(store, reference.prefix)
    if manifest is None or CARD not in {file.path for file in manifest.files}:
        raise NotFoundError(f"the snapshot {reference.digest} has no card: the next run's will have one")
    return store.read(f"{reference.prefix}/{manifest.digest}/{CARD}").data.decode(errors="replace")


def latest(store: Store, dataset: str) -> Reference | None:
    """The newest snapshot of a dataset."""
    return _read_pointer(store, dataset)[0]


def _point(store: Store, dataset: str, reference: Reference) -> None:
    """Move the dataset's pointer; of several at once each moves it in turn."""
    data = reference.model_dump_json(indent=1).encode()
    for _ in range(POINTER_ATTEMPTS):
        present, etag = _read_pointer(store, dataset)
        if present == reference:
            return
        moved = store.replace(_pointer(dataset), data, etag) if etag else store.create(_pointer(dataset), data)
        if moved:
            return
    raise ConflictError(f"the dataset {dataset!r} is being changed by many at once; try again")


def _read_pointer(store: Store, dataset: str) -> tuple[Reference | None, str]:
    try:
        document = store.read(_pointer(dataset))
        return Reference.model_validate_json(document.data), document.etag
    except NotFoundError:
        return None, ""
    except ValidationError as error:
        raise IntegrityError(f"{_pointer(dataset)} is damaged: {error.errors()[0]['msg']}") from None


def _pointer(dataset: str) -> str:
    return check_key(f"{DATASETS}/{dataset}/{LATEST}")


def _pack_key(pack: str) -> str:
    return f"{PACKS}/{pack}.tar"

"""The whole step: from a source to a snapshot in a folder, or in the object store under a dataset's name."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

from binocular import snapshot
from binocular.datasets import Reference, fetch_snapshot, latest, publish_snapshot
from binocular.errors import ConflictError, NotFoundError
from binocular.snapshot import PACKS, Place, Snapshot, pack_path
from binocular.store import Store
from components.ingest.found import Found
from components.ingest.freezing import Options, freeze_seen, freeze_source
from components.ingest.sharing import Share, examine_share, folder_of, gathered, is_examined, looked_of
from components.ingest.sources import Look, known, open_source, seen_before

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """What a user named, and what opening it takes."""

    spec: str  # "": what the dataset holds already
    sha256: str  # of an archive; needed where it is a URL
    downloads: Path  # keeps what was fetched: a download that was cut off continues in the next run
    store: Store | None  # for s3://

    def files(self) -> Iterator[Found]:
        """Its files, lazily."""
        return open_source(self.spec, store=self.store, scratch=self.downloads, sha256=self.sha256)


@dataclass(frozen=True)
class Ingested:
    """The dataset's latest snapshot, and the moment (ISO 8601, UTC) up to which it knows what people sent."""

    reference: Reference
    snapshot: Snapshot
    looked: str


def ingest_folder(source: Source, out: Path, previous: Path | None, options: Options) -> Snapshot:
    """Freeze a source into a folder that appears only when it is complete."""
    if out.exists():
        raise ConflictError(f"{out} exists; name another folder or delete it first")
    before = snapshot.read(previous) if previous else None
    draft = out.with_name(f".{out.name}.ingesting")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        frozen = freeze_source(source.files(), draft, before, options)
        if previous:
            _bring_packs(frozen, previous, draft)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return frozen


def ingest_dataset(source: Source, store: Store, dataset: str, scratch: Path, options: Options) -> Ingested:
    """Freeze a source, and what people contributed, into the store as the dataset's latest snapshot."""
    kept = scratch / "previous"
    before = _latest(store, dataset, kept, packs=not source.spec)
    look = Look(store)
    added = look.contributions()
    named = source.files() if source.spec else known(before, kept, store) if before else _first(added, dataset)
    frozen = freeze_source(chain(named, added), scratch / "snapshot", before, options)
    return Ingested(publish_snapshot(store, scratch / "snapshot", dataset), frozen, look.began)


def ingest_share(source: Source, store: Store, dataset: str, share: Share, scratch: Path) -> int:
    """Examine a share of a source and of what people contributed; the number of its files."""
    if is_examined(store, share):
        return 0
    before = _latest(store, dataset, scratch / "previous", packs=False)
    # What the dataset holds already was examined when it came.
    named = source.files() if source.spec else iter(())
    look = Look(store)
    found = chain(named, look.contributions())
    return examine_share(found, look, share, store, scratch, before, Options())


def join_shares(
    source: Source, store: Store, dataset: str, scratch: Path, options: Options, run: str, shares: int
) -> Ingested:
    """What `ingest_dataset` does, of files that a run's workers have examined."""
    before = _latest(store, dataset, scratch / "previous", packs=False)
    places: dict[str, Place] = {}
    seen = gathered(store, run, shares, scratch / "shares", places)
    if not source.spec:
        seen = chain(seen_before(before, store), seen) if before else _first(seen, dataset)
    frozen = freeze_seen(seen, places, scratch / "snapshot", before, options)
    published = publish_snapshot(store, scratch / "snapshot", dataset)
    store.delete_prefix(f"{folder_of(run)}/")
    return Ingested(published, frozen, looked_of(scratch / "shares", shares))


def _latest(store: Store, dataset: str, folder: Path, *, packs: bool) -> Snapshot | None:
    """The dataset's latest snapshot, fetched into a folder."""
    reference = latest(store, dataset)
    return fetch_snapshot(store, reference, folder, packs=packs) if reference else None


def _first(added: Iterator[T], dataset: str) -> Iterator[T]:
    """The first contribution: people may have sent photos before any source was named."""
    found = next(added, None)
    if found is None:
        raise NotFoundError(f"the dataset {dataset} holds nothing yet: name a source, or send labelled photos")
    yield found


def _bring_packs(frozen: Snapshot, source: Path, target: Path) -> None:
    """Put the packs of an earlier snapshot that this one refers to beside its own; a link costs no space."""
    (target / PACKS).mkdir(exist_ok=True)
    for pack in frozen.packs:
        there = pack_path(target, pack)
        if there.exists():
            continue
        try:
            os.link(pack_path(source, pack), there)
        except OSError:  # another disk
            shutil.copyfile(pack_path(source, pack), there)

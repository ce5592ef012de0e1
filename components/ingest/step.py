"""The whole step: from a source to a snapshot in a folder, or in the object store under a dataset's name."""

import os
import shutil
from itertools import chain
from pathlib import Path

from binocular import snapshot
from binocular.datasets import Reference, fetch_snapshot, latest, publish_snapshot
from binocular.errors import ConflictError
from binocular.snapshot import PACKS, Snapshot, pack_path
from binocular.store import Store
from components.ingest.freezing import Options, freeze_source
from components.ingest.sources import contributions, open_source


def ingest_folder(source: str, out: Path, previous: Path | None, sha256: str, options: Options) -> Snapshot:
    """Freeze a source into a folder that appears only when it is complete."""
    if out.exists():
        raise ConflictError(f"{out} exists; name another folder or delete it first")
    before = snapshot.read(previous) if previous else None
    draft = out.with_name(f".{out.name}.ingesting")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        found = open_source(source, store=None, scratch=draft / "scratch", sha256=sha256)
        frozen = freeze_source(found, draft, before, options)
        if previous:
            _bring_packs(frozen, previous, draft)
        shutil.rmtree(draft / "scratch", ignore_errors=True)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return frozen


def ingest_dataset(
    source: str, store: Store, dataset: str, scratch: Path, sha256: str, options: Options
) -> tuple[Reference, Snapshot]:
    """Freeze a source, and what people contributed, into the store as the dataset's latest snapshot."""
    reference = latest(store, dataset)
    before = fetch_snapshot(store, reference, scratch / "previous", packs=False) if reference else None

    found = open_source(source, store=store, scratch=scratch / "download", sha256=sha256)
    frozen = freeze_source(chain(found, contributions(store)), scratch / "snapshot", before, options)
    return publish_snapshot(store, scratch / "snapshot", dataset), frozen


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

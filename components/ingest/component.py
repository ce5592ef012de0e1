"""The contract of the ingest step."""

import logging
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from kfp import dsl

from binocular import registry
from binocular.settings import DOWNLOADS
from binocular.snapshot import PACKS
from binocular.steps import step
from binocular.store import connect
from components import BASE_IMAGE, IMAGE
from components.ingest.freezing import Options
from components.ingest.splits import Shares
from components.ingest.step import Source, ingest_dataset, join_shares

log = logging.getLogger(__name__)


class Ingested(NamedTuple):
    """What the later steps are told: where the snapshot lies, which version is in production (0: none), and the
    moment up to which the snapshot knows what people sent.
    """

    snapshot: str
    champion: int
    looked: str


@dsl.component(base_image=BASE_IMAGE, target_image=IMAGE)
def ingest(
    name: str,
    source: str,
    sha256: str,
    validation_share: float,
    test_share: float,
    near_duplicate_bits: int,
    rows: dsl.Output[dsl.Dataset],
    run: str = "",
    shards: int = 1,
) -> Ingested:
    """Freeze photos, and what people contributed, into a snapshot in the object store.

    With several shards, `examine` has looked at the photos of this run before.
    """
    with step() as settings, tempfile.TemporaryDirectory() as scratch:
        store = connect(settings)
        registry.check_name(name)
        options = Options(Shares(validation_share, test_share), near_duplicate_bits)
        named = Source(source, sha256, settings.home / DOWNLOADS, store)
        if shards > 1:
            made = join_shares(named, store, name, Path(scratch), options, run, shards)
        else:
            made = ingest_dataset(named, store, name, Path(scratch), options)
        frozen = made.snapshot
        counts = {split: sum(of_class.values()) for split, of_class in frozen.counts().items()}
        log.info("frozen", extra={"snapshot": frozen.digest, **counts, "rejected": len(frozen.rejected)})
        shutil.copytree(Path(scratch, "snapshot"), rows.path, ignore=shutil.ignore_patterns(PACKS))
        rows.metadata |= {"digest": frozen.digest, "images": len(frozen.rows), "classes": len(frozen.classes)}
        present = registry.production(store, name)
        return Ingested(made.reference.prefix, present.version if present else 0, made.looked)

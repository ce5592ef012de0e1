"""The contract of the step that examines a share of the photos, before `ingest` puts the shares together."""

import logging
import tempfile
from pathlib import Path

from kfp import dsl

from binocular import registry
from binocular.settings import DOWNLOADS
from binocular.steps import step
from binocular.store import connect
from components import BASE_IMAGE, IMAGE
from components.ingest.sharing import Share
from components.ingest.step import Source, ingest_share

log = logging.getLogger(__name__)


@dsl.component(base_image=BASE_IMAGE, target_image=IMAGE)
def examine(name: str, source: str, sha256: str, run: str, shard: int, shards: int) -> None:
    """Look at a share of the photos, and of what people contributed, and pack it."""
    with step() as settings, tempfile.TemporaryDirectory() as scratch:
        store = connect(settings)
        registry.check_name(name)
        named = Source(source, sha256, settings.home / DOWNLOADS, store)
        files = ingest_share(named, store, name, Share(run, shard, shards), Path(scratch))
        log.info("examined", extra={"files": files, "shard": f"{shard + 1}/{shards}"})

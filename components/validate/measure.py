"""The contract of the step that measures a share of the images, before `validate` judges them all."""

import logging
import tempfile
from pathlib import Path

from kfp import dsl

from binocular.datasets import Reference
from binocular.steps import step
from binocular.store import connect
from components import BASE_IMAGE, IMAGE
from components.validate.sharing import measure_share

log = logging.getLogger(__name__)


@dsl.component(base_image=BASE_IMAGE, target_image=IMAGE)
def measure(snapshot: str, shard: int, shards: int) -> None:
    """Measure how bright, sharp and varied a share of the images is."""
    with step() as settings, tempfile.TemporaryDirectory() as scratch:
        images = measure_share(connect(settings), Reference.at(snapshot), shard, shards, Path(scratch))
        log.info("measured", extra={"images": images, "shard": f"{shard + 1}/{shards}"})

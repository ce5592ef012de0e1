"""Embeddings: what a frozen backbone makes of each image, computed once and kept on the shelf.

They are kept by weights, preprocessing and image, so that a training after fifty new photos computes fifty. A
shard is a file of digests and vectors; one that is damaged is passed over, and its images computed again.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from binocular import imaging
from binocular.errors import IntegrityError
from binocular.parallel import in_batches
from binocular.snapshot import Row
from components.train.architectures import Backbone
from components.train.material import Material, Pixels
from components.train.shelf import Shelf

EMBEDDINGS = "embeddings"
# A training that is killed loses no more than this many.
SHARD = 2048
BATCH = 32
DIGEST_CHARACTERS = 32

Vectors = NDArray[np.float16]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Embedded:
    """The vectors of some rows, in their order, and how they were come by."""

    vectors: Vectors
    computed: int
    cached: int


def embed(material: Material, rows: Sequence[Row], backbone: Backbone, side: int, shelf: Shelf) -> Embedded:
    """The embedding of each row; those that are on the shelf are not computed."""
    folder = f"{EMBEDDINGS}/{_key(backbone, side)}"
    wanted = {row.sha256: row for row in rows}
    known = _kept(shelf, folder, wanted)
    cached = len(known)
    missing = [row for digest, row in wanted.items() if digest not in known]
    log.info("embedding", extra={"images": len(wanted), "cached": cached, "to_compute": len(missing)})
    for shard in in_batches(SHARD, _computed(material, missing, backbone, side)):
        known.update(shard)
        _keep(shelf, folder, dict(shard))
    vectors = np.stack([known[row.sha256] for row in rows])
    return Embedded(vectors, len(missing), cached)


def _key(backbone: Backbone, side: int) -> str:
    """What tells vectors apart that must not be mixed."""
    said = f"{backbone.model.name}\0{backbone.digest}\0{side}\0{imaging.VERSION}"
    return hashlib.sha256(said.encode()).hexdigest()[:DIGEST_CHARACTERS]


def _computed(
    material: Material, rows: Sequence[Row], backbone: Backbone, side: int
) -> Iterator[tuple[str, NDArray[np.float16]]]:
    # A graph also for a few images: building it takes a second, running without one takes longer.
    @tf.function(input_signature=[tf.TensorSpec((None, side, side, 3), tf.uint8)])  # type: ignore[untyped-decorator]
    def pooled(images: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(backbone.model(images, training=False), axis=(1, 2))

    for batch in in_batches(BATCH, material.decoded(rows, side, log, "embedding")):
        images: Pixels = np.stack([pixels for _, pixels in batch])
        vectors = pooled(images).numpy().astype(np.float16)
        yield from ((row.sha256, vector) for (row, _), vector in zip(batch, vectors, strict=True))


def _kept(shelf: Shelf, folder: str, wanted: Iterable[str]) -> dict[str, NDArray[np.float16]]:
    """What the shelf has of the wanted."""
    wanted = set(wanted)
    known: dict[str, NDArray[np.float16]] = {}
    for name in shelf.names(folder):
        known.update((digest, vector) for digest, vector in _shard(shelf, name) if digest in wanted)
    return known


def _shard(shelf: Shelf, name: str) -> list[tuple[str, NDArray[np.float16]]]:
    """The digests and vectors of one shard; none where it is damaged, or gone since it was listed."""
    try:
        path = shelf.fetch(name)
        return _read(path) if path else []
    except IntegrityError:
        log.warning("a damaged shard is passed over", extra={"shard": name})
        return []


def _read(path: Path) -> list[tuple[str, NDArray[np.float16]]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as shard:
            digests, vectors = shard["digests"], shard["vectors"].astype(np.float16)
        return [(digest.tobytes().hex(), vector) for digest, vector in zip(digests, vectors, strict=True)]
    except Exception as error:  # noqa: BLE001 - what NumPy and zip raise on damaged files
        raise IntegrityError(f"{path} is damaged: {error}") from None


def _keep(shelf: Shelf, folder: str, shard: dict[str, NDArray[np.float16]]) -> None:
    digests = np.array([list(bytes.fromhex(digest)) for digest in shard], dtype=np.uint8)
    name = hashlib.sha256(digests.tobytes()).hexdigest()[:DIGEST_CHARACTERS]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "shard.npz")
        np.savez(path, digests=digests, vectors=np.stack(list(shard.values())))
        shelf.keep(f"{folder}/{name}.npz", path)

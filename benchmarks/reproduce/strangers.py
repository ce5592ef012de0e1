"""How well a classifier tells photos of none of its classes: by its confidence, and by how familiar they are.

Strangers are the test images of another set. The figures are the area under the ROC (how often an image of its own
scores more than a stranger) and the share of strangers that is refused where 95 % of its own are kept.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from sklearn.metrics import roc_auc_score

from binocular import snapshot
from binocular.candidate import POOLED, PROTOTYPES
from binocular.parallel import in_batches
from components.evaluate.models import load_candidate
from components.train.familiar import Prototypes
from components.train.material import Material

BATCH = 64
KEPT = 0.95


@dataclass(frozen=True)
class Told:
    """How well strangers are told."""

    roc_auc: float
    refused: float  # of strangers, where 95 % of its own are kept


def tell(own: Sequence[float], strangers: Sequence[float]) -> Told:
    """From the score of each image."""
    is_own = [1] * len(own) + [0] * len(strangers)
    line = float(np.quantile(own, 1 - KEPT))
    return Told(float(roc_auc_score(is_own, [*own, *strangers])), float(np.mean(np.array(strangers) < line)))


@click.command()
@click.argument("candidate", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def main(candidate: Path, folder: Path) -> None:
    """Print how sure a candidate is of each test image of a snapshot, and how familiar it finds it."""
    import keras  # noqa: PLC0415 - after TensorFlow is awake

    model, frozen = load_candidate(candidate), snapshot.read(folder)
    both = keras.Model(model.keras.input, [model.keras.get_layer(POOLED).output, model.keras.output])
    prototypes = Prototypes(np.load(candidate / PROTOTYPES))
    material = Material(frozen, folder, frozen.rows)
    scores: dict[str, list[float]] = {"confidence": [], "familiarity": []}
    decoded = material.decoded(material.side("test"), model.facts.height, logging.getLogger(__name__), "asking")
    for batch in in_batches(BATCH, decoded):
        pooled, probabilities = both.predict_on_batch(np.stack([pixels for _, pixels in batch]))
        scores["confidence"] += np.asarray(probabilities).max(axis=1).tolist()
        scores["familiarity"] += prototypes.familiarity(np.asarray(pooled)).tolist()
    print(json.dumps(scores))


if __name__ == "__main__":
    main()

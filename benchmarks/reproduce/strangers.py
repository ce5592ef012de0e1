"""How well a classifier's confidence tells photos of none of its classes.

Strangers are the test images of another set. The figures are the area under the ROC (how often an image of its own
gets more confidence than a stranger) and the share of strangers that is refused where 95 % of its own are kept.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from binocular import snapshot
from components.evaluate.models import load_candidate
from components.train.material import Material

BATCH = 64
KEPT = 0.95


@dataclass(frozen=True)
class Told:
    """How well strangers are told."""

    roc_auc: float
    refused: float  # of strangers, where 95 % of its own are kept


def tell(own: Sequence[float], strangers: Sequence[float]) -> Told:
    """From the confidence in each image."""
    is_own = [1] * len(own) + [0] * len(strangers)
    line = float(np.quantile(own, 1 - KEPT))
    return Told(float(roc_auc_score(is_own, [*own, *strangers])), float(np.mean(np.array(strangers) < line)))


@click.command()
@click.argument("candidate", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def main(candidate: Path, folder: Path) -> None:
    """Print the confidence of a candidate in each test image of a snapshot."""
    model, frozen = load_candidate(candidate), snapshot.read(folder)
    material = Material(frozen, folder, frozen.rows)
    found: list[float] = []
    batch: list[NDArray[Any]] = []
    rows = material.side("test")
    for place, (_, pixels) in enumerate(
        material.decoded(rows, model.facts.height, logging.getLogger(__name__), "strangers"), 1
    ):
        batch.append(pixels)
        if len(batch) == BATCH or place == len(rows):
            found += np.asarray(model.answer(np.stack(batch))).max(axis=1).tolist()
            batch = []
    print(json.dumps(found))


if __name__ == "__main__":
    main()

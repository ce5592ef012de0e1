"""A bundle: what a published model version is made of.

    facts = Bundle.read(folder)
    facts.classes, facts.height, facts.width

TensorFlow Serving takes the folder as it is: `saved_model.pb` answers the signature `serving_default`, uint8
`images` [n, height, width, 3] to float32 `probabilities` [n, classes], preprocessing inside. `model.tflite` is the
same graph for LiteRT. The rest is ours: `binocular.json` with the facts, `labels.json` with the classes in the
order of the answers, `README.md`, the model card, and `golden.npz`, a few images with the answers that Keras gave,
which every copy must give again.
"""

from pathlib import Path
from typing import Final, Self

from binocular.candidate import IMAGES, PROBABILITIES, Answers, Choice, Energy
from binocular.datasets import Reference

SAVED_MODEL: Final = "saved_model.pb"
LITERT: Final = "model.tflite"
WARMUP: Final = "assets.extra/tf_serving_warmup_requests"
FACTS: Final = "binocular.json"
LABELS: Final = "labels.json"
CARD: Final = "README.md"
GOLDEN: Final = "golden.npz"
FILES: Final = (SAVED_MODEL, LITERT, WARMUP, FACTS, LABELS, CARD, GOLDEN)
SIGNATURE: Final = "serving_default"
INPUT: Final = IMAGES
OUTPUT: Final = PROBABILITIES
# How far the answers of two copies of a model may be apart.
TOLERANCE: Final = 1e-4


class Bundle(Answers):
    """The facts about a version."""

    name: str  # of the model
    run: str  # the run that made it
    created: str  # ISO 8601, UTC
    snapshot: Reference | None  # what it learnt from; None where that lies in no store
    counts: dict[str, dict[str, int]]  # images of each split and class
    architecture: str
    weights: str
    recipe: dict[str, object]
    chosen: tuple[Choice, ...]
    metrics: dict[str, float]  # on the test split
    champion: int | None  # the version it was let in over
    energy: Energy | None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The facts of the version in a folder."""
        return cls.load(folder / FACTS)

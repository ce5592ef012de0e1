"""What training hands to evaluation and export: a folder with a Keras model and the facts about it.

`model.keras` takes uint8 `images` [n, height, width, 3], prepared by `imaging.decode`, and answers `probabilities`
[n, classes] in the order of `classes`. Everything between is inside, so that any process with Keras can load it.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from binocular.documents import Document

MODEL = "model.keras"
FACTS = "candidate.json"
# The names of the model's input and output, and of the layer whose activations a heatmap is made from.
IMAGES = "images"
PROBABILITIES = "probabilities"
FEATURES = "features"
# The layer whose vector an image is known by, the vectors of what was learnt from, and how near an image comes.
POOLED = "pool"
PROTOTYPES = "prototypes.npy"
FAMILIARITY = "familiarity"


class Answers(Document):
    """What a classifier takes and answers: the part of the facts that serving depends on."""

    classes: tuple[str, ...] = Field(min_length=2)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    sure_from: float | None = Field(None, ge=0, le=1)
    """An answer with less confidence is hardly about one of the classes; None where that was not measured."""
    familiar_from: float | None = Field(None, ge=-1, le=1)
    """What is less familiar is like nothing that was learnt from; None of a model that does not tell."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is named twice")
        return self


class Epoch(BaseModel):
    """One pass over the training images."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    phase: Literal["head", "fine-tuning", "from scratch"]
    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


class Energy(BaseModel):
    """What the training took, as codecarbon estimates it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kwh: float
    co2_kg: float
    country: str


class Choice(BaseModel):
    """A value that was chosen for the data, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    value: str
    because: str


class Candidate(Answers):
    """The facts about a trained model."""

    snapshot: str  # the digest of what it learnt from
    images: dict[str, int]  # how many of each split it used
    architecture: str
    weights: str  # what its backbone started from
    recipe: dict[str, object]  # every parameter of the training, as it was used
    chosen: tuple[Choice, ...]
    history: tuple[Epoch, ...]
    validation: dict[str, float]
    seconds: dict[str, float]  # by phase
    energy: Energy | None  # None where it could not be measured
    embedded: dict[str, int]  # embeddings "computed" and "cached"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The facts of the candidate in a folder."""
        return cls.load(folder / FACTS)

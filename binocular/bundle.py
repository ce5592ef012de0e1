"""A bundle: what a published model version is made of.

    facts = Bundle.read(folder)
    facts.classes, facts.height, facts.width

TensorFlow Serving takes the folder as it is: `saved_model.pb` answers the signature `serving_default`, uint8
`images` [n, height, width, 3] to float32 `probabilities` [n, classes], preprocessing inside. `model.tflite` is the
same graph for LiteRT, or its int8 form where that was found to be as good. The rest is ours: `binocular.json` with
the facts, `labels.json` with the classes in the order of the answers, `README.md`, the model card, and
`golden.npz`, a few images with the answers that Keras gave, which every copy must give again. An int8 graph has
answers of its own to give there, under names that begin with `litert_`.

Before a copy is served, `check(folder)` reads what can be read of it without the libraries that run it.
"""

import re
import zipfile
import zlib
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from binocular.candidate import IMAGES, PROBABILITIES, Answers, Choice, Energy
from binocular.datasets import Reference
from binocular.errors import ModelError

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
# What the golden answers of a LiteRT graph are called that is not to answer as Keras did.
OF_LITERT: Final = "litert_"
# How far the answers of two copies of a model may be apart.
TOLERANCE: Final = 1e-4
# The header of an array in numpy's format, as far as it tells of the shape.
_SHAPE: Final = re.compile(rb"\x93NUMPY.{4,6}\{[^{}]*'shape': \(([0-9, ]*)\)", re.DOTALL)
_HEADER_BYTES: Final = 4096
_CHUNK_BYTES: Final = 1 << 20


class Compared(BaseModel):
    """The int8 graph beside the float one, both asked about the same test images."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    images: int
    float_accuracy: float
    accuracy: float
    agreement: float  # the share that both call the same
    float_known: float  # the share that are as familiar, and the answer as sure, as the version's lines ask
    known: float


class Quantization(BaseModel):
    """What became of an int8 form of the LiteRT graph, where one was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["int8"]
    taken: bool  # whether `model.tflite` is that form; if not, it is the float graph
    reason: str  # for a person
    float_bytes: int
    bytes: int | None  # None where it could not be made
    compared: Compared | None  # None as well where there was nothing to compare on


class Bundle(Answers):
    """The facts about a version."""

    name: str  # of the model
    run: str  # the run that made it
    created: str  # ISO 8601, UTC
    snapshot: Reference | None  # what it learnt from; None where that lies in no store
    looked: str | None = None  # ISO 8601, UTC: what people sent later it may not know; None where nobody noted it
    counts: dict[str, dict[str, int]]  # images of each split and class
    architecture: str
    weights: str
    recipe: dict[str, object]
    chosen: tuple[Choice, ...]
    metrics: dict[str, float]  # on the test split
    champion: int | None  # the version it was let in over
    energy: Energy | None
    quantization: Quantization | None = None  # None where none was asked for

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The facts of the version in a folder."""
        return cls.load(folder / FACTS)


def check(folder: Path) -> Bundle:
    """The facts of a version that may be served; an error says what is missing or cannot be read."""
    facts = Bundle.read(folder)
    if missing := [name for name in (SAVED_MODEL, LABELS, GOLDEN) if not (folder / name).is_file()]:
        raise ModelError(f"the version in {folder} has no {missing[0]}")
    shapes = golden_shapes(folder / GOLDEN)
    images, answers = shapes.get(INPUT, ()), shapes.get(OUTPUT, ())
    if not images or images[1:] != (facts.height, facts.width, 3) or answers != (images[0], len(facts.classes)):
        raise ModelError(
            f"{folder / GOLDEN} holds images {images} and answers {answers}, which is not what a model for"
            f" {facts.height} x {facts.width} pixels and {len(facts.classes)} classes takes and gives"
        )
    return facts


def golden_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a golden.npz, every byte of it read and its checksum compared; without numpy."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _shape(archive, name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """What the header of an array in numpy's format says of its shape."""
    with archive.open(name) as file:
        found = _SHAPE.match(file.read(_HEADER_BYTES))
        while file.read(_CHUNK_BYTES):  # at the end it compares the checksum
            pass
    if found is None:
        raise ValueError(f"{name} is no array")
    return tuple(int(each) for each in found[1].split(b",") if each.strip())

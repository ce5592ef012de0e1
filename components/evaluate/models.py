"""The two models that are judged: a candidate through Keras, a champion through the SavedModel that serves.

    model = load_candidate(Path("candidate"))
    model.answer(pixels)         # uint8 [n, height, width, 3] -> float [n, classes]

TensorFlow is imported when the first model is loaded. A model is a stranger's file: whatever it makes TensorFlow
raise becomes an `IntegrityError` of one line.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binocular.bundle import OUTPUT, SAVED_MODEL, SIGNATURE, Bundle
from binocular.candidate import MODEL, Answers, Candidate
from binocular.errors import IntegrityError, NotFoundError
from components import wake_tensorflow

Pixels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]
MOST_REASON_CHARACTERS = 300
VARIABLES = "variables"


@dataclass(frozen=True)
class Model:
    """A model that answers batches of images."""

    facts: Answers
    size: int  # bytes of the files it was loaded from
    answer: Callable[[Pixels], Probabilities]


@dataclass(frozen=True)
class KerasModel(Model):
    """One whose inside can be looked at, for heatmaps."""

    keras: Any


def load_candidate(folder: Path) -> KerasModel:
    """The candidate in a folder."""
    facts, path = Candidate.read(folder), folder / MODEL
    if not path.is_file():
        raise NotFoundError(f"{path} is missing")
    tensorflow = _tensorflow()
    try:
        model = tensorflow.keras.models.load_model(path, compile=False)
        batch = tensorflow.TensorSpec((None, facts.height, facts.width, 3), tensorflow.uint8)
        # The same way as a SavedModel answers, a graph: its time can be compared with the champion's.
        graph = tensorflow.function(lambda images: model(images, training=False), input_signature=[batch])
        graph.get_concrete_function()
    except Exception as error:  # noqa: BLE001 - see the module
        raise IntegrityError(f"{path} does not load: {_reason(error)}") from None
    _check_size(str(path), facts, model.inputs[0].shape)
    return KerasModel(facts, path.stat().st_size, _asking(graph, str(path), facts), model)


def load_champion(folder: Path) -> Model:
    """The published version in a folder."""
    facts = Bundle.read(folder)
    if not (folder / SAVED_MODEL).is_file():
        raise NotFoundError(f"{folder / SAVED_MODEL} is missing")
    tensorflow = _tensorflow()
    try:
        loaded = tensorflow.saved_model.load(folder)
        signature = loaded.signatures[SIGNATURE]
        ((name, takes),) = signature.structured_input_signature[1].items()
        shape = list(takes.shape)
    except Exception as error:  # noqa: BLE001 - see the module
        raise IntegrityError(f"{folder} does not load as a SavedModel: {_reason(error)}") from None
    # A graph of convolutions would answer images of any size, and badly.
    _check_size(str(folder), facts, shape)

    def graph(images: Pixels) -> object:
        return signature(**{name: tensorflow.constant(images)})[OUTPUT]

    # What a signature belongs to lives only as long as somebody holds it.
    graph.keep = loaded  # type: ignore[attr-defined]
    return Model(facts, _bytes_of(folder), _asking(graph, str(folder), facts))


def _check_size(name: str, facts: Answers, shape: Sequence[int | None]) -> None:
    """IntegrityError if a model does not take images of the size that its facts say."""
    takes = list(shape)
    if takes[1:] != [facts.height, facts.width, 3]:
        raise IntegrityError(
            f"{name} takes images {takes}; its facts say {facts.height} x {facts.width} pixels of 3 colours"
        )


def _asking(graph: Callable[[Pixels], object], name: str, facts: Answers) -> Callable[[Pixels], Probabilities]:
    def answer(images: Pixels) -> Probabilities:
        try:
            answered: Probabilities = np.asarray(graph(images), dtype=np.float32)
        except Exception as error:  # noqa: BLE001 - see the module
            raise IntegrityError(f"{name} does not answer: {_reason(error)}") from None
        if answered.shape != (len(images), len(facts.classes)):
            raise IntegrityError(
                f"{name} answers {answered.shape} to {len(images)} images; "
                f"its facts name {len(facts.classes)} classes"
            )
        return answered

    return answer


def _tensorflow() -> ModuleType:
    wake_tensorflow()
    return importlib.import_module("tensorflow")


def _bytes_of(folder: Path) -> int:
    """The size of what a SavedModel is loaded from."""
    variables = (path for path in (folder / VARIABLES).rglob("*") if path.is_file())
    return (folder / SAVED_MODEL).stat().st_size + sum(path.stat().st_size for path in variables)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:MOST_REASON_CHARACTERS]

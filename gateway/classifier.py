"""From the bytes of images to what they show.

Pixels are made for the version that the model said it would be, and while versions change the answer may come from
another: if that takes another size, pixels are made and asked about again. Labels are always those of the version
that answered.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from binocular.errors import BinocularError, ModelAnswerError, ModelUnavailableError
from binocular.parallel import in_parallel
from gateway import metrics
from gateway.decoding import decode
from gateway.model import Answer, Model, Signature
from gateway.together import Together
from gateway.versions import Versions

# Images in one request to the model: well below every limit on messages, and each keeps its deadline.
CHUNK = 16
ATTEMPTS = 4
DECODERS = min(4, os.cpu_count() or 1)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Classified:
    """The probabilities of one image in the order of the classes, the version they are of, and what it took."""

    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    version: int
    decode_s: float
    predict_s: float
    familiarity: float | None = None  # None where the version does not tell


Outcome = Classified | BinocularError


class Classifier:
    """One model, asked about images of strangers."""

    def __init__(self, model: Model, versions: Versions, most_pixels: int, deadline_s: float) -> None:
        self._model = model
        self._together = Together(model.predict, deadline_s)
        self._versions = versions
        self._most_pixels = most_pixels

    def classify(self, images: Sequence[bytes]) -> Iterator[Outcome]:
        """What each image shows, or why it cannot be said, in order. A model that does not answer is raised."""
        for start in range(0, len(images), CHUNK):
            yield from self._chunk(images[start : start + CHUNK])

    def _chunk(self, images: Sequence[bytes]) -> list[Outcome]:
        signature = self._model.signature()
        for _ in range(ATTEMPTS):
            began = time.perf_counter()
            decoded = self._decode(images, signature)
            decoded_at = time.perf_counter()
            good = [each for each in decoded if not isinstance(each, BinocularError)]
            if not good:
                return [each for each in decoded if isinstance(each, BinocularError)]
            try:
                answer = self._together.predict(good[0][None] if len(good) == 1 else np.stack(good), signature)
            except ModelAnswerError:
                # Pixels of the old version's size, refused by the new one?
                asked, signature = signature, self._model.signature(afresh=True)
                if signature == asked:
                    raise
                continue
            seconds = (decoded_at - began, time.perf_counter() - decoded_at)
            facts = self._versions.of(answer.version)
            if (facts.height, facts.width) == (signature.height, signature.width):
                return _outcomes(decoded, answer, facts.classes, seconds)
            signature = self._model.signature(afresh=True)
        raise ModelUnavailableError("the model changes faster than it answers")

    def _decode(self, images: Sequence[bytes], signature: Signature) -> list[Pixels | BinocularError]:
        pixels = partial(_decoded, signature=signature, most_pixels=self._most_pixels)
        return [pixels(images[0])] if len(images) == 1 else list(in_parallel(DECODERS, pixels, images))


def _outcomes(
    decoded: list[Pixels | BinocularError], answer: Answer, classes: tuple[str, ...], seconds: tuple[float, float]
) -> list[Outcome]:
    """The answer, spread over the images that it was asked for."""
    if answer.probabilities.shape[1] != len(classes):
        raise ModelAnswerError(
            f"version {answer.version} answers {answer.probabilities.shape[1]} classes and has {len(classes)}"
        )
    for phase, took in zip(("decode", "predict"), seconds, strict=True):
        metrics.of(metrics.PHASES, phase).observe(took)
    rows = answer.probabilities.tolist()
    familiarities = [None] * len(rows) if answer.familiarity is None else answer.familiarity.tolist()
    told = (
        Classified(classes, tuple(row), answer.version, *seconds, familiarity)
        for row, familiarity in zip(rows, familiarities, strict=True)
    )
    return [each if isinstance(each, BinocularError) else next(told) for each in decoded]


def _decoded(data: bytes, signature: Signature, most_pixels: int) -> Pixels | BinocularError:
    try:
        return decode(data, signature.height, signature.width, most_pixels)
    except BinocularError as error:
        return error

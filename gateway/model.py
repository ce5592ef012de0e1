"""The model at the other end of TensorFlow Serving's gRPC.

    model = Model("127.0.0.1:8500", "waste", deadline_s=5)
    signature = model.signature()                       # which version, which size
    answer = model.predict(pixels, signature)           # which version answered, and what

The channel is made in the process that uses it, on first use. Each failure is one of ours, and says whether to
retry.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from binocular.bundle import INPUT, OUTPUT, SIGNATURE
from binocular.candidate import FAMILIARITY
from binocular.errors import (
    BinocularError,
    ModelAnswerError,
    ModelTimeoutError,
    ModelUnavailableError,
    TensorError,
)
from binocular.wire import messages, services, tensors
from binocular.wire.codes import StatusCode
from gateway.channel import Channel
from gateway.connection import Message
from gateway.reply import CallError

AVAILABLE = messages.STATES.values_by_name["AVAILABLE"].number
UINT8 = "uint8"
RANK, CHANNELS = 4, 3
# Bytes of the largest output that an answer may have.
MOST_OUTPUT = 1 << 24
_PASSING = {
    StatusCode.UNAVAILABLE,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.NOT_FOUND,
    StatusCode.CANCELLED,
    StatusCode.ABORTED,
}


@dataclass(frozen=True)
class Signature:
    """What the version that answers now takes."""

    version: int
    height: int
    width: int


@dataclass(frozen=True)
class Answer:
    """Probabilities [images, classes], how familiar each image is if the model tells, and the version."""

    version: int
    probabilities: NDArray[np.float32]
    familiarity: NDArray[np.float32] | None = None

    def about(self, images: slice) -> "Answer":
        """The part of it that is about some of the images."""
        familiarity = None if self.familiarity is None else self.familiarity[images]
        return Answer(self.version, self.probabilities[images], familiarity)


class Model:
    """One model of one server. Threads may share it; processes may not."""

    def __init__(self, address: str, name: str, deadline_s: float) -> None:
        self.name = name
        self._address = address
        self._deadline_s = deadline_s
        self._known: Signature | None = None

    @cached_property
    def _channel(self) -> Channel:
        return Channel(self._address)

    def signature(self, *, afresh: bool = False) -> Signature:
        """What the model takes, learned from its metadata and remembered until `afresh`."""
        known = self._known
        if known is None or afresh:
            known = self._learn()
            self._known = known
        return known

    def predict(self, pixels: NDArray[np.uint8], signature: Signature, deadline_s: float = math.inf) -> Answer:
        """Ask for the probabilities of uint8 images [n, height, width, 3] of the signature's size."""
        expected = (len(pixels), signature.height, signature.width, CHANNELS)
        if pixels.shape != expected:  # a wrong rank can end a TensorFlow Serving
            raise ValueError(f"pixels are {pixels.shape}, not {expected}")
        question: Message = (_before_pixels(self.name, expected), pixels.reshape(-1).data)
        response = self._call("PredictionService", "Predict", question, messages.PredictResponse, deadline_s)
        probabilities = _output(response, OUTPUT, len(pixels), rank=2)
        familiarity = (
            _output(response, FAMILIARITY, len(pixels), rank=1) if FAMILIARITY in response.outputs else None
        )
        return Answer(int(response.model_spec.version.value), probabilities, familiarity)

    def available(self) -> list[int]:
        """The versions that answer, the newest first; ModelUnavailableError where none does."""
        request = messages.GetModelStatusRequest()
        request.model_spec.name = self.name
        response = self._call(
            "ModelService", "GetModelStatus", [request.SerializeToString()], messages.GetModelStatusResponse
        )
        found = [int(it.version) for it in response.model_version_status if it.state == AVAILABLE]
        if not found:
            raise ModelUnavailableError(f"no version of {self.name} is AVAILABLE")
        return sorted(found, reverse=True)

    def _learn(self) -> Signature:
        request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self.name
        response = self._call(
            "PredictionService",
            "GetModelMetadata",
            [request.SerializeToString()],
            messages.GetModelMetadataResponse,
        )
        signatures = _read(messages.SignatureDefMap, response.metadata["signature_def"].value)
        version = int(response.model_spec.version.value)
        takes = signatures.signature_def[SIGNATURE].inputs[INPUT]
        sizes = [int(dim.size) for dim in takes.tensor_shape.dim]
        try:
            kind = tensors.kind(takes.dtype).name
        except TensorError as error:
            kind = str(error)
        if kind != UINT8 or len(sizes) != RANK or sizes[3] != CHANNELS or min(sizes[1:3]) < 1:
            raise ModelAnswerError(
                f"version {version} of {self.name} takes {kind} {sizes} as {INPUT!r} of {SIGNATURE!r}; uint8"
                " [-1, height, width, 3] was expected: export it with Binocular"
            )
        return Signature(version, sizes[1], sizes[2])

    def _call(
        self,
        service: str,
        method: str,
        question: Message,
        kind: Any,  # noqa: ANN401 - a class of messages
        deadline_s: float = math.inf,
    ) -> Any:  # noqa: ANN401
        """The answer to a question."""
        try:
            answer = self._channel.call(
                services.path(service, method), question, min(self._deadline_s, deadline_s)
            )
        except CallError as error:
            raise _translated(error, f"{method} of {self.name} at {self._address}") from None
        return _read(kind, answer)


@lru_cache(maxsize=64)
def _before_pixels(name: str, shape: tuple[int, ...]) -> bytes:
    """A question about images, up to their bytes, which are its end: the same for all images of one size."""
    # Without a filter: a version that lacks what a filter names would refuse.
    request = messages.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = SIGNATURE
    pixels = np.full(shape, 255, np.uint8)
    request.inputs[INPUT].CopyFrom(tensors.to_proto(pixels))
    whole: bytes = request.SerializeToString()
    before = whole[: len(whole) - pixels.size]
    if before + pixels.tobytes() != whole:
        raise AssertionError("protobuf does not write the fields of a message in their order")
    return before


def _read(kind: Any, message: bytes) -> Any:  # noqa: ANN401 - a class of messages
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise ModelAnswerError(f"the answer of the model is no {kind.DESCRIPTOR.name}: {error}") from None


def _output(response: Any, name: str, images: int, rank: int) -> NDArray[np.float32]:  # noqa: ANN401 - a message
    """An output of an answer, a row an image."""
    try:
        found = tensors.to_array(response.outputs[name], limit=MOST_OUTPUT)
    except TensorError as error:
        raise ModelAnswerError(f"the answer of the model cannot be read: {error}") from None
    if found.ndim != rank or len(found) != images or not np.isfinite(found).all():
        raise ModelAnswerError(f"the model answered {found.shape} as {name} to {images} images")
    return found.astype(np.float32)


def _translated(error: CallError, what: str) -> BinocularError:
    text = f"{what}: {error.canonical.name}: {error}"
    if error.canonical is StatusCode.DEADLINE_EXCEEDED:
        return ModelTimeoutError(text)
    return ModelUnavailableError(text) if error.canonical in _PASSING else ModelAnswerError(text)

"""The model at the other end of TensorFlow Serving's gRPC.

    model = Model("127.0.0.1:8500", "waste", deadline_s=5)
    signature = model.signature()                       # which version, which size
    answer = model.predict(pixels, signature)           # which version answered, and what

The channel is made in the process that uses it, on first use. Each failure is one of ours, and says whether to
retry.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import grpc
import numpy as np
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

OPTIONS = [
    # Answers are small; what a server may send at most is ours to say.
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    # Behind one name there may be several servers, as behind a Service without an address of its own: each gets
    # its share. The first of them alone would get everything.
    ("grpc.lb_policy_name", "round_robin"),
    # A model server that comes back is found within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
AVAILABLE = messages.STATES.values_by_name["AVAILABLE"].number
UINT8 = "uint8"
RANK, CHANNELS = 4, 3
CODE = grpc.StatusCode
_PASSING = {CODE.UNAVAILABLE, CODE.RESOURCE_EXHAUSTED, CODE.NOT_FOUND, CODE.CANCELLED, CODE.ABORTED}


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
    def _channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self._address, options=OPTIONS)

    def signature(self, *, afresh: bool = False) -> Signature:
        """What the model takes, learned from its metadata and remembered until `afresh`."""
        known = self._known
        if known is None or afresh:
            known = self._learn()
            self._known = known
        return known

    def predict(self, pixels: NDArray[np.uint8], signature: Signature, deadline_s: float = math.inf) -> Answer:
        """Ask for the probabilities of uint8 images [n, height, width, 3] of the signature's size."""
        # Without a filter: a version that lacks what a filter names would refuse.
        request = messages.PredictRequest()
        request.model_spec.name = self.name
        request.model_spec.signature_name = SIGNATURE
        expected = (len(pixels), signature.height, signature.width, CHANNELS)
        if pixels.shape != expected:  # a wrong rank can end a TensorFlow Serving
            raise ValueError(f"pixels are {pixels.shape}, not {expected}")
        request.inputs[INPUT].CopyFrom(tensors.to_proto(pixels))
        response = self._call("PredictionService", "Predict", request, deadline_s)
        probabilities = _output(response, OUTPUT, len(pixels), rank=2)
        familiarity = (
            _output(response, FAMILIARITY, len(pixels), rank=1) if FAMILIARITY in response.outputs else None
        )
        return Answer(int(response.model_spec.version.value), probabilities, familiarity)

    def available(self) -> list[int]:
        """The versions that answer, the newest first; ModelUnavailableError where none does."""
        request = messages.GetModelStatusRequest()
        request.model_spec.name = self.name
        response = self._call("ModelService", "GetModelStatus", request)
        found = [int(it.version) for it in response.model_version_status if it.state == AVAILABLE]
        if not found:
            raise ModelUnavailableError(f"no version of {self.name} is AVAILABLE")
        return sorted(found, reverse=True)

    def _learn(self) -> Signature:
        request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self.name
        response = self._call("PredictionService", "GetModelMetadata", request)
        signatures = messages.SignatureDefMap.FromString(response.metadata["signature_def"].value)
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
        request: Any,  # noqa: ANN401 - messages
        deadline_s: float = math.inf,
    ) -> Any:  # noqa: ANN401
        ask: Callable[..., Any] = services.call(self._channel, service, method)
        try:
            return ask(request, timeout=min(self._deadline_s, deadline_s))
        except grpc.RpcError as error:
            raise _translated(error, f"{method} of {self.name} at {self._address}") from None


def _output(response: Any, name: str, images: int, rank: int) -> NDArray[np.float32]:  # noqa: ANN401 - a message
    """An output of an answer, a row an image."""
    try:
        found = tensors.to_array(response.outputs[name], limit=1 << 24)
    except TensorError as error:
        raise ModelAnswerError(f"the answer of the model cannot be read: {error}") from None
    if found.ndim != rank or len(found) != images or not np.isfinite(found).all():
        raise ModelAnswerError(f"the model answered {found.shape} as {name} to {images} images")
    return found.astype(np.float32)


def _translated(error: Any, what: str) -> BinocularError:  # noqa: ANN401 - an RpcError is a call too
    code, text = error.code(), f"{what}: {error.code().name}: {error.details()}"
    if code is CODE.DEADLINE_EXCEEDED:
        return ModelTimeoutError(text)
    return ModelUnavailableError(text) if code in _PASSING else ModelAnswerError(text)

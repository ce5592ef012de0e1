"""Predict and GetModelMetadata: a request's checks in the original's order, the run, the answer.

Beyond the original, the shape of every input is compared with the signature before the engine sees it.
"""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from binocular.errors import TensorError
from binocular.wire import tensors
from binocular.wire.codes import StatusCode
from binocular.wire.messages import GetModelMetadataResponse, PredictResponse, SignatureDefMap
from binocular.wire.tensors import Array
from serving.server.deadline import Deadline
from serving.server.engines import Engine
from serving.server.models import Models
from serving.server.servable import Servable
from serving.server.signature import DEFAULT, Signature, Tensor
from serving.server.status import ServingError, invalid

METADATA = "signature_def"
_TYPE_URL = "type.googleapis.com/tensorflow.serving.SignatureDefMap"

# Told how long an engine ran: the model's name, the engine's, seconds.
Observe = Callable[[str, str, float], None]


@dataclass(frozen=True)
class Predictor:
    """Answers requests from the models in memory."""

    models: Models
    tensor_limit: int  # bytes of one tensor
    packed: bool  # whether outputs are tensor_content
    observe: Observe

    def predict(self, request: Any, deadline: Deadline) -> Generator[None, None, Any]:  # noqa: ANN401 - messages
        """The answer to a PredictRequest, in stages; ServingError with the original's code and text."""
        with use(self.models, request) as servable:
            engine = servable.ready_engine
            signature, inputs, outputs = _question(engine, request, self.tensor_limit)
            yield
            started = time.perf_counter()
            answers = engine.run(signature, inputs, outputs, deadline)
            self.observe(servable.model, engine.name, time.perf_counter() - started)
            yield
            response = PredictResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.signature_name = signature.key
            response.model_spec.version.value = servable.version
        for alias, array in answers.items():
            response.outputs[alias].CopyFrom(tensors.to_proto(array, typed=not self.packed))
        return response

    def run(
        self, servable: Servable, signature: Signature, inputs: Mapping[str, Array], deadline: Deadline
    ) -> dict[str, Array]:
        """Every output for inputs of the right types that came some other way."""
        for alias, array in inputs.items():
            _check_shape(signature.inputs[alias], array.shape)
        engine = servable.ready_engine
        started = time.perf_counter()
        answers = engine.run(signature, inputs, list(signature.outputs), deadline)
        self.observe(servable.model, engine.name, time.perf_counter() - started)
        return answers

    def metadata(self, request: Any) -> Any:  # noqa: ANN401 - messages
        """The answer to a GetModelMetadataRequest."""
        _check_spec(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != METADATA:
                raise invalid(f"Metadata field {name} is not supported")
        with use(self.models, request) as servable:
            response = GetModelMetadataResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = servable.version
            entry = response.metadata[METADATA]
            entry.type_url = _TYPE_URL
            entry.value = signature_map(servable).SerializeToString()
        return response


def ask(
    engine: Engine,
    request: Any,  # noqa: ANN401 - a message
    tensor_limit: int,
    deadline: Deadline,
) -> tuple[Signature, dict[str, Array]]:
    """What an engine answers to a PredictRequest."""
    signature, inputs, outputs = _question(engine, request, tensor_limit)
    return signature, engine.run(signature, inputs, outputs, deadline)


def _question(
    engine: Engine,
    request: Any,  # noqa: ANN401 - a message
    tensor_limit: int,
) -> tuple[Signature, dict[str, Array], list[str]]:
    """What a PredictRequest asks: of which signature, with which inputs, for which outputs."""
    signature = _signature(engine, request.model_spec.signature_name)
    inputs = _inputs(request, signature, tensor_limit)
    return signature, inputs, _outputs(request.output_filter, signature)


def _inputs(request: Any, signature: Signature, limit: int) -> dict[str, Array]:  # noqa: ANN401 - a message
    _check_names(request.inputs, signature)
    inputs = {}
    for position, (alias, tensor) in enumerate(signature.inputs.items()):
        if alias not in request.inputs:
            inputs[alias] = signature.defaults[alias]
            continue
        proto = request.inputs[alias]
        try:
            _check_type(position, tensor, proto.dtype)
            # Before the values are made: a few bytes may claim any shape.
            shape = tensors.shape_of(proto)
            _check_shape(tensor, shape)
            inputs[alias] = tensors.to_array(proto, limit, shape)
        except TensorError as error:
            raise invalid(f"tensor parsing error: {alias}: {error}") from None
    return inputs


def signature_map(servable: Servable) -> Any:  # noqa: ANN401 - a message
    """All signatures of a version, as the message that metadata is."""
    found = SignatureDefMap()
    for key, definition in servable.ready_engine.signatures.definitions.items():
        found.signature_def[key].CopyFrom(definition)
    return found


def use(models: Models, request: Any) -> Any:  # noqa: ANN401 - a message, a context manager
    """The version that a request is for."""
    _check_spec(request)
    spec = request.model_spec
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    chosen = spec.WhichOneof("version_choice")
    version = spec.version.value if chosen == "version" else None
    return models.use(spec.name, version, spec.version_label if chosen == "version_label" else "")


def _signature(engine: Engine, key: str) -> Signature:
    """The signature that a request asks for, or the default one."""
    key = key or DEFAULT
    signature = engine.signatures.by_key.get(key)
    if signature is None:
        raise ServingError(StatusCode.FAILED_PRECONDITION, f'Serving signature key "{key}" not found.')
    return signature


def _check_spec(request: Any) -> None:  # noqa: ANN401 - a message
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _check_names(sent: Iterable[str], signature: Signature) -> None:
    """Every input of the signature is sent or has a default, and nothing else is sent."""
    sent, wanted = set(sent), set(signature.inputs)
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} len({_set(sent)}) != "
            f"len({_set(wanted)}). Sent extra: {_set(sent - wanted)}. "
            f"Missing but required: {_set(wanted - sent - set(signature.defaults))}."
        )
    for alias in sorted(wanted - sent - set(signature.defaults)):
        raise invalid(
            f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not found in request and "
            f"no default value provided. Inputs expected to be in the request {_set(sent)}, "
            f"or default input alias set: {_set(signature.defaults)}"
        )
    if sent - wanted:
        raise invalid(
            "Inputs contains invalid name. "
            f"Used request inputs: {_set(sent & wanted)}, request input: {_set(sent)}"
        )


def _outputs(wanted: Iterable[str], signature: Signature) -> list[str]:
    """The outputs to compute, in the signature's order."""
    chosen: set[str] = set()
    for alias in wanted:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_set(signature.outputs)}."
            )
        if alias in chosen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        chosen.add(alias)
    return [alias for alias in signature.outputs if not chosen or alias in chosen]


def _check_type(position: int, tensor: Tensor, came: int) -> None:
    try:
        wanted = tensor.kind
    except TensorError as error:
        raise ServingError(StatusCode.UNIMPLEMENTED, f"{tensor.alias}: {error}") from None
    if came != tensor.dtype:
        raise invalid(f"Expects arg[{position}] to be {wanted.name} but {tensors.kind(came).name} is provided")


def _check_shape(tensor: Tensor, shape: tuple[int, ...]) -> None:
    if not tensor.accepts(shape):
        wanted = ",".join("?" if size < 0 else str(size) for size in tensor.shape or ())
        raise invalid(f"input {tensor.alias} must have the shape [{wanted}], not [{','.join(map(str, shape))}]")

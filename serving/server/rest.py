"""The REST API, version 1: which path asks for what, and what comes back. `http.py` brings it the requests."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format

from binocular.errors import TensorError
from binocular.wire.codes import StatusCode
from binocular.wire.messages import GetModelMetadataRequest, GetModelStatusRequest, PredictRequest
from serving.server import jsoninput, jsonoutput, modelservice
from serving.server.deadline import Deadline
from serving.server.metrics import Metrics
from serving.server.models import Models
from serving.server.predict import METADATA, Predictor, signature_map, use
from serving.server.signature import DEFAULT
from serving.server.status import ServingError, invalid
from serving.versions import HIGHEST

PREFIX = "/v1/"
_OF = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_ASK = re.compile(rf"/v1/models/(?P<name>[^/:]+){_OF}:(?P<verb>classify|regress|predict)", re.IGNORECASE)
_LOOK = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_OF}(?P<metadata>/metadata)?", re.IGNORECASE)
LONGEST_VERSION = len(str(HIGHEST))  # Python reads no number of thousands of digits


@dataclass(frozen=True)
class Reply:
    """What goes back over HTTP."""

    status: int
    body: bytes
    kind: str = "application/json"


@dataclass(frozen=True)
class Rest:
    """Answers requests from the models in memory."""

    models: Models
    predictor: Predictor
    metrics: Metrics

    def answer(self, method: str, path: str, body: bytes, deadline: Deadline) -> Reply:
        """The reply to a request below /v1/; an error is a status and `{"error": …}`."""
        started, code, name = time.perf_counter(), StatusCode.OK, ""
        try:
            asked = _ASK.fullmatch(path) if method == "POST" else None
            looked = _LOOK.fullmatch(path) if method == "GET" else None
            if asked and asked["verb"].islower():
                name = unquote(asked["name"])
                return self._ask(asked, body, deadline)
            if looked:
                return self._look(looked)
            raise invalid(f"Malformed request: {method} {path}")
        except ServingError as error:
            code = error.canonical
            return Reply(
                error.http, json.dumps({"error": str(error)}, ensure_ascii=False).encode("utf-8", "replace")
            )
        finally:
            if name:
                self.metrics.request(name, "Predict", "REST", code, time.perf_counter() - started)

    def _ask(self, asked: re.Match[str], body: bytes, deadline: Deadline) -> Reply:
        if asked["verb"] != "predict":
            raise ServingError(
                StatusCode.UNIMPLEMENTED, f":{asked['verb']} is not offered; this server answers :predict"
            )
        document = jsoninput.parse(body)
        request = _spec(PredictRequest(), asked)
        with use(self.models, request) as servable:
            key = document.get(jsoninput.SIGNATURE) or DEFAULT
            signature = servable.ready_engine.signatures.by_key.get(key)
            if signature is None:
                raise invalid(f'Serving signature name: "{key}" not found in signature def')
            try:
                inputs, rows = jsoninput.tensors_of(document, signature.inputs)
            except TensorError as error:
                raise ServingError(StatusCode.UNIMPLEMENTED, str(error)) from None
            outputs = self.predictor.run(servable, signature, inputs, deadline)
        return Reply(200, jsonoutput.answer(outputs, rows=rows))

    def _look(self, looked: re.Match[str]) -> Reply:
        if not looked["name"]:
            raise invalid("Missing model name in request.")
        if not looked["metadata"]:
            return _reply(modelservice.status(self.models, _spec(GetModelStatusRequest(), looked)))
        request = _spec(GetModelMetadataRequest(metadata_field=[METADATA]), looked)
        with use(self.models, request) as servable:
            spec = {"name": request.model_spec.name, "signature_name": "", "version": str(servable.version)}
            described = _dict(signature_map(servable))
        return Reply(200, json.dumps({"model_spec": spec, "metadata": {METADATA: described}}).encode())


def _spec(request: Any, matched: re.Match[str]) -> Any:  # noqa: ANN401 - messages
    """Say in a request which model and version the path names."""
    request.model_spec.name = unquote(matched["name"])
    if matched["version"]:
        digits = matched["version"].lstrip("0") or "0"
        if len(digits) > LONGEST_VERSION or int(digits) > HIGHEST:
            raise invalid(f"Failed to convert version: {matched['version']} to numeric.")
        request.model_spec.version.value = int(digits)
    if matched["label"]:
        request.model_spec.version_label = unquote(matched["label"])
    return request


def _dict(message: Any) -> dict[str, Any]:  # noqa: ANN401 - a message
    convert: Callable[..., dict[str, Any]] = json_format.MessageToDict
    return convert(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _reply(message: Any) -> Reply:  # noqa: ANN401 - a message
    return Reply(200, json.dumps(_dict(message)).encode())

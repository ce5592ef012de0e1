"""The model server as a process: Predict, metadata, status and REST, on LiteRT and without tensorflow."""

import gzip
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
import requests
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2

from serving.server import calls
from tests.modelfolders import CLASSES, SIDE, make_classifier, publish
from tests.modelserver import ModelServer, asks, metadata_request, pictures

CODE = grpc.StatusCode
WRONG = -1


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two versions that answer differently."""
    folder = tmp_path_factory.mktemp("made")
    return [make_classifier(folder / str(favourite), favourite) for favourite in range(2)]


@pytest.fixture(scope="module")
def server(versions: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server with one model, which no test changes."""
    folder = tmp_path_factory.mktemp("server")
    publish(versions[0], folder / "waste", 7)
    (folder / "monitoring").write_text("prometheus_config { enable: true }")
    with ModelServer(
        folder,
        "--model_name=waste",
        f"--model_base_path={folder / 'waste'}",
        f"--monitoring_config_file={folder / 'monitoring'}",
        "--enable_grpc_healthcheck_service",
    ) as server:
        yield server


def expected(made: Path, images: Any) -> Any:
    """What tensorflow itself answers."""
    loaded = tf.saved_model.load(str(made))
    return loaded.signatures["serving_default"](tf.constant(images))["probabilities"].numpy()


@pytest.mark.parametrize("count", [1, 2, 5, 64])
def test_an_answer_is_the_one_that_tensorflow_gives(server: ModelServer, versions: list[Path], count: int) -> None:
    images = pictures(count)
    answer = server.predict(asks("waste", images=images))
    assert answer.model_spec.name == "waste"
    assert answer.model_spec.version.value == 7
    assert answer.model_spec.signature_name == "serving_default"
    got = tf.make_ndarray(answer.outputs["probabilities"])
    assert got.shape == (count, CLASSES)
    np.testing.assert_allclose(got, expected(versions[0], images), atol=1e-5)


def test_no_pictures_have_no_answers(server: ModelServer) -> None:
    answer = server.predict(asks("waste", images=pictures(0)))
    assert tf.make_ndarray(answer.outputs["probabilities"]).shape == (0, CLASSES)


def test_litert_serves_without_tensorflow_in_little_memory(server: ModelServer) -> None:
    server.predict(asks("waste", images=pictures()))
    libraries = {Path(it.path).name for it in psutil.Process(server.process.pid).memory_maps()}
    assert not [name for name in libraries if "tensorflow" in name and "litert" not in name]
    assert "engine=litert" in server.log.read_text()
    assert server.memory() < 150e6


def changed(**changes: Any) -> Any:
    """A good request with some things changed."""
    request = asks("waste", images=pictures())
    for name, value in changes.items():
        if name == "output_filter":
            request.output_filter.extend(value)
        elif value is None:
            request.ClearField("model_spec")
        else:
            setattr(request.model_spec, name, value)
    return request


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (changed(name=None), CODE.INVALID_ARGUMENT, "Missing ModelSpec"),
        (changed(name=""), CODE.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (changed(name="paper"), CODE.NOT_FOUND, "Servable not found for request: Latest(paper)"),
        (changed(version_label="x"), CODE.INVALID_ARGUMENT, "Unrecognized servable version label: x"),
        (asks("waste", version=1), CODE.NOT_FOUND, "Servable not found for request: Specific(waste, 1)"),
        (changed(signature_name="no"), CODE.FAILED_PRECONDITION, 'Serving signature key "no" not found.'),
        (
            asks("waste"),
            CODE.INVALID_ARGUMENT,
            (
                "input size does not match signature: 0!=1 len({}) != len({images}). "
                "Sent extra: {}. Missing but required: {images}."
            ),
        ),
        (
            asks("waste", picture=pictures()),
            CODE.INVALID_ARGUMENT,
            (
                "Signature input alias: images(feed name: images:0) not found in request and no default value "
                "provided. Inputs expected to be in the request {picture}, or default input alias set: {}"
            ),
        ),
        (
            asks("waste", images=np.zeros((1, SIDE, SIDE, 3), np.float32)),
            CODE.INVALID_ARGUMENT,
            "Expects arg[0] to be uint8 but float is provided",
        ),
        (
            changed(output_filter=["logits"]),
            CODE.INVALID_ARGUMENT,
            (
                "output tensor alias not found in signature: logits "
                "Outputs expected to be in the set {probabilities}."
            ),
        ),
        (
            changed(output_filter=["probabilities"] * 2),
            CODE.INVALID_ARGUMENT,
            "duplicate output tensor alias: probabilities",
        ),
        (
            asks("waste", images=pictures()[0]),
            CODE.INVALID_ARGUMENT,
            "input images must have the shape [?,8,8,3], not [8,8,3]",
        ),
        (
            asks("waste", images=np.zeros((1, 9, SIDE, 3), np.uint8)),
            CODE.INVALID_ARGUMENT,
            "input images must have the shape [?,8,8,3], not [1,9,8,3]",
        ),
    ],
)
def test_a_wrong_request_is_refused_as_the_original_does(
    server: ModelServer, request_: Any, code: grpc.StatusCode, text: str
) -> None:
    assert server.refusal(request_) == (code, text)


def hostile(**fields: Any) -> Any:
    """A request whose tensor is not what it says."""
    request = asks("waste")
    shape = fields.pop("shape")
    proto = request.inputs["images"]
    proto.dtype = fields.pop("dtype", tf.uint8.as_datatype_enum)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    for name, value in fields.items():
        getattr(proto, name).extend(value) if isinstance(value, list) else setattr(proto, name, value)
    return request


@pytest.mark.parametrize(
    "request_",
    [
        hostile(shape=[1 << 40, SIDE, SIDE, 3]),
        hostile(shape=[-5, SIDE, SIDE, 3]),
        hostile(shape=[1 << 62, SIDE, SIDE, 3]),
        hostile(shape=[1 << 20, SIDE, SIDE, 3], int_val=[1]),
        hostile(shape=[1, SIDE, SIDE, 3], tensor_content=b"short"),
        hostile(shape=[1, SIDE, SIDE, 3], int_val=[1] * 1000),
        hostile(shape=[1, SIDE, SIDE, 3], dtype=tf.string.as_datatype_enum, string_val=[b"x" * 100]),
        hostile(shape=[1, SIDE, SIDE, 3], dtype=tf.resource.as_datatype_enum),
        hostile(shape=[1, SIDE, SIDE, 3], dtype=9999),
        hostile(shape=[1] * 200),
        hostile(shape=[]),
    ],
    ids=range(11),
)
def test_a_hostile_request_is_refused_and_costs_no_memory(server: ModelServer, request_: Any) -> None:
    before = server.memory()
    code, text = server.refusal(request_)
    assert code is CODE.INVALID_ARGUMENT, text
    assert server.memory() < before + 50e6
    assert server.predict(asks("waste", images=pictures())).model_spec.version.value == 7


def test_bytes_that_are_no_message_and_messages_too_large_are_refused(server: ModelServer) -> None:
    raw = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    whole = asks("waste", images=pictures(8)).SerializeToString()
    for damaged in (b"\xff" * 100, whole[:-7], b"\x0a\xff\xff\xff\xff\x07"):
        with pytest.raises(grpc.RpcError) as refused:
            raw(damaged, timeout=30)
        assert refused.value.code() in {CODE.INTERNAL, CODE.INVALID_ARGUMENT}
    with pytest.raises(grpc.RpcError) as refused:
        raw(bytes(65 << 20), timeout=60)
    assert refused.value.code() is CODE.RESOURCE_EXHAUSTED
    server.predict(asks("waste", images=pictures()))
    assert "Traceback" not in server.log.read_text()


def test_classify_and_regress_are_not_offered(server: ModelServer) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        server.prediction.Classify(classification_pb2.ClassificationRequest(), timeout=30)
    assert refused.value.code() is CODE.UNIMPLEMENTED
    assert server.post("/v1/models/waste:classify", {}).status_code == 501


def test_metadata_is_the_saved_models(server: ModelServer, versions: list[Path]) -> None:
    answer = server.prediction.GetModelMetadata(metadata_request("waste"), timeout=30)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    saved = saved_model_pb2.SavedModel.FromString((versions[0] / "saved_model.pb").read_bytes())
    assert dict(found.signature_def) == dict(saved.meta_graphs[0].signature_def)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("waste", 7)
    request = metadata_request("waste")
    request.metadata_field[:] = ["graph"]
    with pytest.raises(grpc.RpcError, match="Metadata field graph is not supported"):
        server.prediction.GetModelMetadata(request, timeout=30)
    del request.metadata_field[:]
    with pytest.raises(grpc.RpcError, match="must specify at least one metadata_field"):
        server.prediction.GetModelMetadata(request, timeout=30)


def test_status_names_every_version_and_the_unknown_is_not_found(server: ModelServer) -> None:
    assert server.states("waste") == {7: "AVAILABLE"}
    with pytest.raises(grpc.RpcError, match="Could not find any versions of model paper"):
        server.states("paper")
    with pytest.raises(grpc.RpcError, match="Could not find version 8 of model waste"):
        server.problem("waste", 8)


def test_health_is_offered_where_it_is_asked_for(server: ModelServer) -> None:
    stub = health_pb2_grpc.HealthStub(server.channel)
    for name in ("", "ModelService", "PredictionService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=30)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_rest_answers_in_rows_and_in_columns(server: ModelServer, versions: list[Path]) -> None:
    images = pictures(3)
    wanted = expected(versions[0], images)
    for path in ("/v1/models/waste:predict", "/v1/models/waste/versions/7:predict", "/V1/MODELS/waste:predict"):
        answer = server.post(path, {"instances": images.tolist()})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        np.testing.assert_allclose(answer.json()["predictions"], wanted, atol=1e-5)
    named = server.post("/v1/models/waste:predict", {"instances": [{"images": it} for it in images.tolist()]})
    assert named.json() == answer.json()
    columns = server.post("/v1/models/waste:predict", {"inputs": images.tolist()})
    assert columns.json()["outputs"] == answer.json()["predictions"]
    packed = requests.post(
        f"{server.url}/v1/models/waste:predict",
        gzip.compress(json.dumps({"instances": images.tolist()}).encode()),
        headers={"Content-Encoding": "gzip"},
        timeout=30,
    )
    assert packed.json() == answer.json()


def test_rest_tells_status_and_metadata(server: ModelServer) -> None:
    status = {"version": "7", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/waste", "/v1/models/waste/versions/7"):
        assert server.get(path).json() == {"model_version_status": [status]}
    metadata = server.get("/v1/models/waste/metadata").json()
    assert metadata["model_spec"] == {"name": "waste", "signature_name": "", "version": "7"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["images"]["dtype"] == "DT_UINT8"
    assert signature["inputs"]["images"]["tensor_shape"]["dim"][0] == {"size": "-1", "name": ""}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "JSON Parse error: The document is empty"),
        (b"{", 400, "JSON Parse error: "),
        (b"[1]", 400, "Is not object"),
        (b"{}", 400, "Missing 'inputs' or 'instances' key"),
        (b'{"instances": []}', 400, "No values in 'instances' array"),
        (b'{"instances": 1}', 400, "to be an list/array"),
        (b'{"instances": [1], "inputs": [1]}', 400, "expecting only one of"),
        (b'{"signature_name": 1, "instances": [1]}', 400, "'signature_name' key must be a string value"),
        (b'{"signature_name": "no", "instances": [1]}', 400, 'Serving signature name: "no" not found'),
        (b'{"instances": ["a"]}', 400, 'Error: INVALID_ARGUMENT: JSON Value: "a" Type: String is not of expected'),
        (b'{"instances": [NaN]}', 400, "is not of expected type: uint8"),
        (b'{"instances": [[1], [1, 2]]}', 400, "Expecting tensor size: 1 but got: 2"),
        (b'{"instances": [[[1], 2]]}', 400, "found at incorrect level"),
        (b'{"instances": [300]}', 400, "is not of expected type: uint8"),
        (b'{"instances": [1]}', 400, "input images must have the shape [?,8,8,3], not [1]"),
        (b'{"instances": [{"picture": 1}]}', 400, "keys must be equal to: images"),
        (b'{"inputs": {"picture": 1}}', 400, "Missing named input: images in 'inputs' object."),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"instances": [' + b"[" * 20_000 + b"]" * 20_000 + b"]}", 400, "JSON Parse error"),
        (b'{"instances": [' + b"9" * 10_000 + b"]}", 400, "JSON Parse error"),
        (b"\xff\xfe{", 400, "JSON Parse error"),
        (b'{"inputs": ' + b"[" * 200 + b"1" + b"]" * 200 + b"}", 400, "lists nested 200 deep"),
    ],
    ids=range(22),
)
def test_rest_refuses_in_the_originals_words(server: ModelServer, body: bytes, status: int, text: str) -> None:
    answer = requests.post(f"{server.url}/v1/models/waste:predict", data=body, timeout=60)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert text in answer.json()["error"]
    assert len(answer.content) < 2000


def test_rest_paths_that_lead_nowhere(server: ModelServer) -> None:
    found = {
        ("GET", "/v1/models"): (400, "Missing model name in request."),
        ("GET", "/v1/nothing"): (400, "Malformed request: GET /v1/nothing"),
        ("POST", "/v1/models/waste"): (400, "Malformed request: POST /v1/models/waste"),
        ("POST", "/v1/models/waste:PREDICT"): (400, "Malformed request: POST /v1/models/waste:PREDICT"),
        ("GET", "/v1/models/paper"): (404, "Could not find any versions of model paper"),
        ("GET", "/v1/models/waste/versions/9"): (404, "Could not find version 9 of model waste"),
        **{
            ("GET", f"/v1/models/waste/versions/{number}"): (
                400,
                f"Failed to convert version: {number} to numeric.",
            )
            for number in (str(10**30), "9" * 5000)
        },
        ("OPTIONS", "/v1/models/waste"): (400, "Malformed request: OPTIONS /v1/models/waste"),
    }
    for (method, path), (status, text) in found.items():
        answer = requests.request(method, f"{server.url}{path}", timeout=30)
        assert (answer.status_code, answer.json()) == (status, {"error": text})
    elsewhere = server.get("/")
    assert (elsewhere.status_code, elsewhere.headers["Content-Type"]) == (404, "text/html")


def test_http_that_is_wrong_harms_nobody(server: ModelServer) -> None:
    for sent, status in {
        b"POST /v1/models/waste:predict HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n": b"413",
        b"POST /v1/models/waste:predict HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n": b"413",
        b"POST /v1/models/waste:predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n": b"400",
        b"POST /v1/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab": b"400",
        b"POST /v1/models/waste:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n": b"411",
        b"NONSENSE\r\n\r\n": b"400",
        b"POST /v1/x HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc": b"400",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n": b"414",
    }.items():
        with socket.create_connection(("127.0.0.1", server.rest_port), 30) as connection:
            connection.sendall(sent)
            assert status in connection.recv(200)
    bomb = gzip.compress(bytes(200 << 20))
    answer = requests.post(
        f"{server.url}/v1/models/waste:predict", bomb, headers={"Content-Encoding": "gzip"}, timeout=60
    )
    assert answer.status_code == 413
    with socket.create_connection(("127.0.0.1", server.rest_port), 30) as connection:  # and goes away
        connection.sendall(b"POST /v1/models/waste:predict HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{")
    assert server.get("/v1/models/waste").status_code == 200


def test_a_body_that_is_not_read_is_no_second_request(server: ModelServer) -> None:
    inside = b"GET /v1/models/waste HTTP/1.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.rest_port), 30) as connection:
        connection.sendall(
            b"GET /monitoring/prometheus/metrics HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(inside) + inside
        )
        answers = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answers.count(b"HTTP/1.1 ") == 1


def test_prometheus_sees_requests_under_the_originals_names(server: ModelServer) -> None:
    server.predict(asks("waste", images=pictures()))
    server.post("/v1/models/waste:predict", {"instances": pictures().tolist()})
    server.refusal(asks("somebody's \" guess", images=pictures()))
    page = server.get("/monitoring/prometheus/metrics")
    assert page.headers["Content-Type"] == "text/plain"
    text = page.text
    assert "# TYPE :tensorflow:serving:request_count counter\n" in text
    assert ':tensorflow:serving:request_count{model_name="waste",status="OK"} ' in text
    for entry in ("GRPC", "REST"):
        assert f'request_latency_count{{model_name="waste",API="Predict",entrypoint="{entry}"}}' in text
    assert ':tensorflow:serving:runtime_latency_count{model_name="waste",API="Predict",runtime="litert"}' in text
    assert "guess" not in text
    assert 'binocular_model_version_state{model_name="waste",version="7",state="AVAILABLE"} 1' in text


def test_many_clients_at_once_get_each_their_own_answer(server: ModelServer, versions: list[Path]) -> None:
    long = calls.UNREAD_BYTES // (SIDE * SIDE * 3) + 1
    sizes = [1, 3, WRONG, 7, 2, 1, 1, long] * 40
    wanted = {size: expected(versions[0], pictures(size)) for size in set(sizes) - {WRONG}}

    def ask(size: int) -> Any:
        if size == WRONG:
            return server.refusal(asks("waste", images=pictures()[0]))[0]
        return tf.make_ndarray(server.predict(asks("waste", images=pictures(size))).outputs["probabilities"])

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(ask, sizes))
    for size, answer in zip(sizes, answers, strict=True):
        if size == WRONG:
            assert answer is CODE.INVALID_ARGUMENT
        else:
            np.testing.assert_allclose(answer, wanted[size], atol=1e-5)


def test_a_deadline_ends_the_wait(server: ModelServer) -> None:
    huge = asks("waste", images=np.zeros((60_000, SIDE, SIDE, 3), np.uint8))
    assert server.refusal(huge, timeout=0.2)[0] is CODE.DEADLINE_EXCEEDED
    server.predict(asks("waste", images=pictures()))

"""Any SavedModel in a TensorFlow session, behind the same server; and requests merged into batches."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tests.modelfolders import SIDE, make_anybodys, make_classifier, publish
from tests.modelserver import ModelServer, asks, metadata_request, pictures

CODE = grpc.StatusCode


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of several kinds, and the file that lists them."""
    folder = tmp_path_factory.mktemp("tensorflow")
    publish(make_anybodys(folder / "made"), folder / "any", 1)
    publish(make_classifier(folder / "plain", 2, litert=False), folder / "plain", 3)
    # Its LiteRT model belongs to another SavedModel.
    mixed = publish(make_anybodys(folder / "mixed made"), folder / "mixed", 1)
    (mixed / "model.tflite").write_bytes((make_classifier(folder / "lite", 0) / "model.tflite").read_bytes())
    entries = [
        f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow" }}'
        for name in ("any", "plain", "mixed")
    ]
    (folder / "models").write_text(f"model_config_list {{ {' '.join(entries)} }}")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ModelServer]:
    """A server of all of them."""
    with ModelServer(folder, f"--model_config_file={folder / 'models'}") as server:
        yield server


def test_several_inputs_and_outputs(server: ModelServer) -> None:
    answer = server.predict(asks("any", a=np.array([1, 2], np.float32), b=np.array([0.5, 0], np.float32)))
    assert tf.make_ndarray(answer.outputs["sum"]).tolist() == [3, 4]
    assert tf.make_ndarray(answer.outputs["whole"]).tolist() == [1, 2]
    request = asks("any", a=np.array([1], np.float32), b=np.array([1], np.float32))
    request.output_filter.append("whole")
    assert list(server.predict(request).outputs) == ["whole"]
    rows = server.post("/v1/models/any:predict", {"instances": [{"a": 1, "b": 0.5}, {"a": 2.0, "b": 0}]})
    assert rows.json() == {"predictions": [{"sum": 3.0, "whole": 1}, {"sum": 4.0, "whole": 2}]}
    columns = server.post("/v1/models/any:predict", {"inputs": {"a": [1, 2], "b": [0.5, 0]}})
    assert columns.json() == {"outputs": {"sum": [3.0, 4.0], "whole": [1, 2]}}


def test_strings_in_and_out(server: ModelServer) -> None:
    answer = server.predict(asks("any", "shout", text=[b"hello", b"\xff\x00"]))
    assert list(answer.outputs["loud"].string_val) == [b"HELLO", b"\xff\x00"]
    assert answer.model_spec.signature_name == "shout"
    body = {"signature_name": "shout", "instances": ["hello", {"b64": "eMO8"}]}
    found = server.post("/v1/models/any:predict", body).json()["predictions"]
    assert found[0] == {"loud": "HELLO", "loud_bytes": {"b64": "aGVsbG9oZWxsbw=="}}
    assert found[1]["loud"] == "Xü"


def test_numbers_that_json_has_no_word_for(server: ModelServer) -> None:
    body = {"inputs": {"a": [float("nan"), float("inf"), -1e-7], "b": [0, 0, 0]}}
    text = server.post("/v1/models/any:predict", body).text
    assert '"sum": [NaN, Infinity, -2e-07]' in text


def test_a_wrong_rank_is_an_error_and_not_the_end_of_the_process(server: ModelServer) -> None:
    code, text = server.refusal(asks("any", "convolve", x=np.zeros((8, 8, 3), np.float32)))
    assert code is CODE.INVALID_ARGUMENT
    assert text.startswith("convolution input must be 4-dimensional: [8,8,3]")
    assert "[[{{node " in text
    good = server.predict(asks("any", "convolve", x=np.ones((1, 3, 3, 3), np.float32)))
    assert tf.make_ndarray(good.outputs["y"]).shape == (1, 3, 3, 1)


def test_what_the_operations_refuse_is_the_callers_error(server: ModelServer) -> None:
    code, _ = server.refusal(asks("any", a=np.array([1, 2, 3], np.float32), b=np.array([1, 2], np.float32)))
    assert code is CODE.INVALID_ARGUMENT
    answer = server.post("/v1/models/any:predict", {"signature_name": "ragged", "instances": [[1, 2], [3, 4]]})
    assert (answer.status_code, "ask in columns" in answer.json()["error"]) == (400, True)
    columns = server.post("/v1/models/any:predict", {"signature_name": "ragged", "inputs": [[1, 2], [3, 4]]})
    assert columns.json() == {"outputs": {"all": 10.0, "rows": [3.0, 7.0]}}


def test_a_saved_model_without_litert_answers_as_tensorflow_does(server: ModelServer, folder: Path) -> None:
    images = pictures(4)
    got = tf.make_ndarray(server.predict(asks("plain", images=images)).outputs["probabilities"])
    wanted = tf.saved_model.load(str(folder / "plain" / "3")).signatures["serving_default"](tf.constant(images))
    np.testing.assert_allclose(got, wanted["probabilities"].numpy(), atol=1e-6)
    assert got.argmax(1).tolist() == [2] * 4
    assert server.refusal(asks("plain", images=images[0])) == (
        CODE.INVALID_ARGUMENT,
        "input images must have the shape [?,8,8,3], not [8,8,3]",
    )


def test_a_litert_model_of_another_signature_is_left_alone(server: ModelServer) -> None:
    answer = server.predict(asks("mixed", a=np.array([1], np.float32), b=np.array([1], np.float32)))
    assert tf.make_ndarray(answer.outputs["sum"]).tolist() == [4]
    assert "LiteRT cannot stand in for the SavedModel" in server.log.read_text()


def test_metadata_has_every_signature(server: ModelServer) -> None:
    answer = server.prediction.GetModelMetadata(metadata_request("any"), timeout=30)
    for name in (b"serving_default", b"shout", b"__saved_model_init_op"):
        assert name in answer.metadata["signature_def"].value


@pytest.fixture(scope="module")
def batching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server that merges requests: at most 8 rows, run at 4 or 8, larger requests cut."""
    folder = tmp_path_factory.mktemp("batching")
    publish(make_classifier(folder / "made", 1), folder / "waste", 1)
    (folder / "parameters").write_text(
        "max_batch_size { value: 32 } max_execution_batch_size { value: 8 }\n"
        "batch_timeout_micros { value: 20000 }\n"
        "enable_large_batch_splitting { value: true } allowed_batch_sizes: 4 allowed_batch_sizes: 8\n"
        "num_batch_threads { value: 2 } max_enqueued_batches { value: 100 }"
    )
    with ModelServer(
        folder,
        "--model_name=waste",
        f"--model_base_path={folder / 'waste'}",
        "--enable_batching",
        f"--batching_parameters_file={folder / 'parameters'}",
    ) as server:
        yield server


def test_merged_requests_get_each_their_own_rows(batching: ModelServer) -> None:
    sizes = [1, 2, 3, 8, 9, 32] * 10
    alone = {n: batching.predict(asks("waste", images=pictures(n))).outputs["probabilities"] for n in set(sizes)}
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda n: batching.predict(asks("waste", images=pictures(n))), sizes))
    for size, answer in zip(sizes, answers, strict=True):
        got = tf.make_ndarray(answer.outputs["probabilities"])
        assert got.shape == (size, 3)
        np.testing.assert_allclose(got, tf.make_ndarray(alone[size]), atol=1e-6)


def test_a_request_larger_than_a_batch_may_be_is_refused(batching: ModelServer) -> None:
    assert batching.refusal(asks("waste", images=np.zeros((33, SIDE, SIDE, 3), np.uint8))) == (
        CODE.INVALID_ARGUMENT,
        "Task size 33 is larger than maximum input batch size 32",
    )


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--batching_parameters_file=x"], "without setting server_options.enable_batching to true"),
        (["--enable_batching", "--batching_parameters_file={f}"], "must match max_batch_size; last entry was 4"),
        (["--modelname=x"], "unknown argument: --modelname=x; did you mean --model_name?"),
        (["--port=http"], "--port: got 'http', expected a whole number"),
        (["--monitoring_config_file=/nowhere"], "/nowhere: No such file"),
    ],
)
def test_a_wrong_command_line_is_said_and_ends_the_server(tmp_path: Path, flags: list[str], text: str) -> None:
    (tmp_path / "f").write_text("max_batch_size { value: 8 } allowed_batch_sizes: 4")
    server = ModelServer(
        tmp_path, f"--model_base_path={tmp_path}", *[flag.format(f=tmp_path / "f") for flag in flags]
    )
    assert server.process.wait(60) == 2
    server.channel.close()
    assert text in server.log.read_text()

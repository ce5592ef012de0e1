"""Versions that come, go, break and are asked for by number or label; the end of the server; too many callers."""

import functools
import re
import select
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.config import model_server_config_pb2

from tests.modelfolders import SIDE, make_classifier, publish, write_warm_up
from tests.modelserver import ModelServer, asks, pictures
from tests.servers import free_port, wait_until

CODE = grpc.StatusCode
CLIENTS = 16


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Versions 0, 1 and 2, each of which answers with its own class."""
    folder = tmp_path_factory.mktemp("made")
    return [make_classifier(folder / str(favourite), favourite) for favourite in range(3)]


@pytest.fixture
def base(tmp_path: Path, made: list[Path]) -> Path:
    """A model's folder, with version 1."""
    publish(made[1], tmp_path / "waste", 1)
    return tmp_path / "waste"


@pytest.fixture
def server(tmp_path: Path, base: Path) -> Iterator[ModelServer]:
    """A server that looks for versions every second, as by default."""
    with ModelServer(tmp_path, "--model_name=waste", f"--model_base_path={base}") as server:
        yield server


def favourite(server: ModelServer, version: int | None = None, label: str = "") -> tuple[int, int]:
    """Which version answered, and what."""
    request = asks("waste", images=pictures(), version=version)
    if label:
        request.model_spec.version_label = label
    answer = server.predict(request)
    return answer.model_spec.version.value, int(np.argmax(tf.make_ndarray(answer.outputs["probabilities"])))


def test_a_hot_swap_and_back_loses_no_request(server: ModelServer, base: Path, made: list[Path]) -> None:
    answers: list[tuple[int, int]] = []
    failures: list[grpc.RpcError] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(favourite(server))
            except grpc.RpcError as error:
                failures.append(error)

    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in range(CLIENTS):
            clients.submit(ask)
        try:
            wait_until(lambda: len(answers) > 100)
            publish(made[2], base, 2)
            wait_until(lambda: answers[-1] == (2, 2))
            shutil.rmtree((base / "2").rename(base / ".gone"))
            wait_until(lambda: answers[-1] == (1, 1))
        finally:
            stop.set()
    assert failures == []
    assert set(answers) == {(1, 1), (2, 2)}
    assert server.states("waste") == {1: "AVAILABLE", 2: "END"}


def test_a_removed_version_folder_does_not_stop_its_requests(
    server: ModelServer, base: Path, made: list[Path]
) -> None:
    publish(made[2], base, 2)
    wait_until(lambda: server.states("waste") == {1: "END", 2: "AVAILABLE"})
    shutil.rmtree(base / "1")
    assert favourite(server) == (2, 2)
    assert server.refusal(asks("waste", images=pictures(), version=1)) == (
        CODE.NOT_FOUND,
        "Servable not found for request: Specific(waste, 1)",
    )


def is_state(server: ModelServer, version: int, state: str) -> bool:
    """Whether a version has come that far."""
    return server.states("waste").get(version) == state


def break_version(folder: Path, how: str) -> None:
    """Damage a version that is not yet published."""
    if how == "half a LiteRT model":
        data = (folder / "model.tflite").read_bytes()
        (folder / "model.tflite").write_bytes(data[: len(data) // 2])
    elif how == "an empty LiteRT model":
        (folder / "model.tflite").write_bytes(b"")
    elif how == "half a SavedModel":
        data = (folder / "saved_model.pb").read_bytes()
        (folder / "saved_model.pb").write_bytes(data[: len(data) // 2])
    elif how == "no SavedModel":
        (folder / "saved_model.pb").unlink()
    elif how == "a warm-up request of another shape":
        write_warm_up(folder, [np.zeros((1, SIDE, SIDE, 4), np.uint8)])
    elif how == "half a warm-up file":
        path = folder / "assets.extra" / "tf_serving_warmup_requests"
        path.write_bytes(path.read_bytes()[:-9])


def test_a_broken_version_leaves_the_old_one_serving_and_says_why(
    server: ModelServer, base: Path, made: list[Path], tmp_path: Path
) -> None:
    reasons = {
        "half a LiteRT model": "not a valid Flatbuffer",
        "an empty LiteRT model": "model_content",
        "half a SavedModel": "Could not parse",
        "no SavedModel": "Could not find SavedModel",
        "a warm-up request of another shape": r"must have the shape \[\?,8,8,3\], not \[1,8,8,4\]",
        "half a warm-up file": "cut off",
    }
    for version, (how, reason) in enumerate(reasons.items(), start=10):
        broken = shutil.copytree(made[2], tmp_path / how)
        break_version(broken, how)
        publish(broken, base, version)
        wait_until(functools.partial(is_state, server, version, "END"))
        assert server.states("waste")[1] == "AVAILABLE"
        assert favourite(server) == (1, 1)
        assert re.search(reason, server.problem("waste", version)), server.problem("waste", version)
    publish(made[2], base, 99)  # and a good one after all of them comes up
    wait_until(lambda: is_state(server, 99, "AVAILABLE"))
    assert favourite(server) == (99, 2)


def test_what_is_no_version_is_never_served(server: ModelServer, base: Path, made: list[Path]) -> None:
    for name in (".5", "5.tmp", "5_", "v5", "+5", "-5", "5 "):
        shutil.copytree(made[2], base / name)
    (base / "6").write_text("a file")
    publish(made[0], base, 3)
    wait_until(lambda: server.states("waste") == {1: "END", 3: "AVAILABLE"})


def test_an_emptied_folder_unloads_and_a_missing_one_changes_nothing(
    server: ModelServer, base: Path, tmp_path: Path
) -> None:
    base.rename(tmp_path / "elsewhere")
    wait_until(lambda: "cannot read a model's folder" in server.log.read_text())
    assert favourite(server) == (1, 1)
    base.mkdir()
    wait_until(lambda: server.states("waste") == {1: "END"})
    assert server.refusal(asks("waste", images=pictures()))[0] is CODE.NOT_FOUND
    (tmp_path / "elsewhere" / "1").rename(base / "1")
    wait_until(lambda: server.states("waste") == {1: "AVAILABLE"})


def config(text: str) -> model_management_pb2.ReloadConfigRequest:
    """A request to serve what a ModelServerConfig says."""
    return model_management_pb2.ReloadConfigRequest(
        config=text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    )


def refused(server: ModelServer, text: str) -> tuple[grpc.StatusCode, str]:
    """How a new configuration is refused."""
    with pytest.raises(grpc.RpcError) as error:
        server.models.HandleReloadConfigRequest(config(text), timeout=30)
    return error.value.code(), error.value.details()


def test_policies_labels_and_reloading(server: ModelServer, base: Path, made: list[Path], tmp_path: Path) -> None:
    publish(made[2], base, 2)
    publish(made[0], tmp_path / "other", 5)
    wait_until(lambda: server.states("waste") == {1: "END", 2: "AVAILABLE"})

    def one(more: str) -> str:
        entry = f'name: "waste" base_path: "{base}" model_platform: "tensorflow"'
        return f"model_config_list {{ config {{ {entry} {more} }} }}"

    both = one("model_version_policy { specific { versions: 1 versions: 2 } }")
    server.models.HandleReloadConfigRequest(config(both), timeout=30)
    wait_until(lambda: server.states("waste") == {1: "AVAILABLE", 2: "AVAILABLE"})
    assert favourite(server, version=1) == (1, 1)

    labelled = (
        both[:-4] + ' version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 } } }'
    )
    server.models.HandleReloadConfigRequest(config(labelled), timeout=30)
    assert favourite(server, label="stable") == (1, 1)
    assert favourite(server, label="canary") == (2, 2)
    rest = server.post("/v1/models/waste/labels/stable:predict", {"instances": pictures().tolist()})
    assert np.argmax(rest.json()["predictions"]) == 1

    assert refused(server, one('version_labels { key: "x" value: 9 }')) == (
        CODE.FAILED_PRECONDITION,
        "Request to assign label to version 9 of model waste, which is not currently available for inference",
    )
    assert favourite(server, label="stable") == (1, 1)

    two = (
        one("")[:-1] + f' config {{ name: "other" base_path: "{tmp_path}/other" model_platform: "tensorflow" }} }}'
    )
    server.models.HandleReloadConfigRequest(config(two), timeout=30)
    assert server.states("other") == {5: "AVAILABLE"}  # it answers when the call returns
    wait_until(lambda: server.states("waste") == {1: "END", 2: "AVAILABLE"})

    server.models.HandleReloadConfigRequest(config("model_config_list {}"), timeout=30)
    wait_until(lambda: server.refusal(asks("waste", images=pictures()))[0] is CODE.NOT_FOUND)
    server.models.HandleReloadConfigRequest(config(one("model_version_policy { all {} }")), timeout=30)
    wait_until(lambda: server.states("waste") == {1: "AVAILABLE", 2: "AVAILABLE"})


def test_a_wrong_configuration_is_refused_and_changes_nothing(
    server: ModelServer, base: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken" / "1").mkdir(parents=True)
    entry = f'config {{ name: "waste" base_path: "{base}" model_platform: "tensorflow" }}'
    for text, answer in {
        "": (
            CODE.INVALID_ARGUMENT,
            (
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            ),
        ),
        f"model_config_list {{ {entry} {entry} }}": (
            CODE.INVALID_ARGUMENT,
            "Illegal to list model waste multiple times in config list",
        ),
        'model_config_list { config { name: "x" base_path: "models/x" model_platform: "tensorflow" } }': (
            CODE.INVALID_ARGUMENT,
            "Expected model x to have an absolute path or URI; got base_path()=models/x",
        ),
        'model_config_list { config { name: "x" base_path: "/a\\000b" } }': (
            CODE.INVALID_ARGUMENT,
            "Expected model x to have an absolute path or URI; got base_path()=/a\0b",
        ),
        'model_config_list { config { name: "x" base_path: "/x" model_platform: "caffe" } }': (
            CODE.INVALID_ARGUMENT,
            "Model x requests unsupported platform caffe",
        ),
    }.items():
        assert refused(server, text) == answer
        assert favourite(server) == (1, 1)
    broken = f'model_config_list {{ {entry} config {{ name: "b" base_path: "{tmp_path}/broken" }} }}'
    code, text = refused(server, broken)
    assert code is CODE.UNKNOWN
    assert text.startswith("1 servable(s) did not become available: {{name: b version: 1} due to error: ")
    assert favourite(server) == (1, 1)


def test_a_configuration_file_is_followed(tmp_path: Path, made: list[Path]) -> None:
    publish(made[1], tmp_path / "waste", 1)
    publish(made[2], tmp_path / "waste", 2)
    file = tmp_path / "models.config"
    entry = f'name: "waste" base_path: "{tmp_path}/waste" model_platform: "tensorflow"'

    def write(more: str) -> None:
        file.write_text(f"model_config_list {{ config {{ {entry} {more} }} }}")

    write("model_version_policy { specific { versions: 1 } }")
    with ModelServer(tmp_path, f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1") as server:
        assert server.states("waste") == {1: "AVAILABLE"}
        file.write_text("model_config_list { nonsense }")
        wait_until(
            lambda: "Error parsing text-format tensorflow.serving.ModelServerConfig" in server.log.read_text()
        )
        assert favourite(server) == (1, 1)
        write("model_version_policy { specific { versions: 2 } }")
        wait_until(lambda: server.states("waste") == {1: "END", 2: "AVAILABLE"})


def test_the_ports_open_when_there_is_a_version_to_serve(tmp_path: Path, made: list[Path]) -> None:
    (tmp_path / "waste").mkdir()
    server = ModelServer(tmp_path, "--model_name=waste", f"--model_base_path={tmp_path / 'waste'}")
    try:
        wait_until(lambda: "no version yet" in server.log.read_text())
        assert server.refusal(asks("waste", images=pictures()))[0] is CODE.UNAVAILABLE
        publish(made[1], tmp_path / "waste", 1)
        server.ready()
        assert favourite(server) == (1, 1)
    finally:
        assert server.stop() == 0


def test_a_server_whose_first_version_does_not_load_says_so_and_ends(tmp_path: Path) -> None:
    (tmp_path / "waste" / "4").mkdir(parents=True)
    server = ModelServer(tmp_path, "--model_name=waste", f"--model_base_path={tmp_path / 'waste'}")
    assert server.process.wait(60) == 255
    server.channel.close()
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{name: waste version: 4} due to error: "
    ) in server.log.read_text()


def test_a_failed_load_is_tried_again(tmp_path: Path, base: Path, made: list[Path]) -> None:
    flags = ("--max_num_load_retries=1000", "--load_retry_interval_micros=100000")
    with ModelServer(tmp_path, "--model_name=waste", f"--model_base_path={base}", *flags) as server:
        hidden = shutil.copytree(made[2], tmp_path / "late")
        shutil.move(hidden / "saved_model.pb", tmp_path / "saved_model.pb")
        publish(hidden, base, 2)
        wait_until(lambda: "try=3" in server.log.read_text())
        assert server.states("waste") == {1: "AVAILABLE", 2: "LOADING"}
        shutil.move(tmp_path / "saved_model.pb", base / "2" / "saved_model.pb")
        wait_until(lambda: favourite(server) == (2, 2))


def test_asked_to_end_it_answers_what_it_has_begun(server: ModelServer) -> None:
    slow = asks("waste", images=np.zeros((20_000, SIDE, SIDE, 3), np.uint8))
    before = server.worked()
    with ThreadPoolExecutor(4) as clients:
        answers = [clients.submit(server.predict, slow) for _ in range(4)]
        wait_until(lambda: server.worked() > before + 0.3)  # they have arrived, and are far from done
        server.process.send_signal(signal.SIGTERM)
        assert [tf.make_ndarray(it.result().outputs["probabilities"]).shape for it in answers] == [(20_000, 3)] * 4
    assert server.process.wait(30) == 0


def test_two_servers_cannot_share_a_port(server: ModelServer, tmp_path: Path, base: Path) -> None:
    (tmp_path / "second").mkdir()
    second = ModelServer(
        tmp_path / "second", "--model_name=waste", f"--model_base_path={base}", f"--port={server.port}"
    )
    assert second.process.wait(60) == 255
    second.channel.close()
    assert f"cannot listen on 127.0.0.1:{server.port} (--host, --port" in second.log.read_text()
    assert favourite(server) == (1, 1)


def test_overload_is_answered_at_once_and_memory_stays_bounded(tmp_path: Path, base: Path) -> None:
    flags = ("--grpc_max_threads=16", "--rest_api_num_threads=16")
    with ModelServer(tmp_path, "--model_name=waste", f"--model_base_path={base}", *flags) as server:
        slow = asks("waste", images=np.zeros((8_000, SIDE, SIDE, 3), np.uint8))  # 1.5 MB
        favourite(server)
        before = server.memory()
        with ThreadPoolExecutor(100) as clients:
            calls = [clients.submit(_outcome, server, slow) for _ in range(300)]
            wait_until(lambda: sum(call.done() for call in calls) >= 100)
            assert server.states("waste") == {1: "AVAILABLE"}  # answered also now
            assert server.get("/v1/models/waste").status_code == 200
            outcomes = [call.result() for call in calls]
        codes = {code for code, _ in outcomes}
        assert CODE.RESOURCE_EXHAUSTED in codes
        assert codes <= {CODE.OK, CODE.RESOURCE_EXHAUSTED}
        refusals = sorted(seconds for code, seconds in outcomes if code is CODE.RESOURCE_EXHAUSTED)
        served = sorted(seconds for code, seconds in outcomes if code is CODE.OK)
        assert refusals[len(refusals) // 2] < served[len(served) // 2]
        assert server.memory() < before + 16 * 3 * 1.5e6 + 60e6
        assert favourite(server) == (1, 1)


def test_slow_and_idle_http_clients_cannot_hold_the_server(tmp_path: Path, base: Path) -> None:
    flags = ("--rest_api_timeout_in_ms=500", "--rest_api_num_threads=2")
    with ModelServer(tmp_path, "--model_name=waste", f"--model_base_path={base}", *flags) as server:
        address = ("127.0.0.1", server.rest_port)
        with socket.create_connection(address, 30) as dripping, socket.create_connection(address, 30) as idle:
            dripping.sendall(b"POST /v1/models/waste:predict HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
            idle.sendall(b"GET /v1/models/waste HTTP/1.1\r\n\r\n")
            assert b"200 OK" in idle.recv(100)
            assert server.get("/v1/models/waste").status_code == 503
            began = time.monotonic()
            while not select.select([dripping], [], [], 0.05)[0]:
                dripping.sendall(b"[")
            assert b"504" in dripping.recv(100)
            assert time.monotonic() - began < 20
        wait_until(lambda: server.get("/v1/models/waste").status_code == 200)


def _outcome(server: ModelServer, request: object) -> tuple[grpc.StatusCode, float]:
    began = time.monotonic()
    try:
        server.predict(request)
    except grpc.RpcError as error:
        return error.code(), time.monotonic() - began
    return CODE.OK, time.monotonic() - began


def test_a_unix_socket_serves_too(tmp_path: Path, base: Path) -> None:
    path = tmp_path / "socket"
    flags = ("--port=0", f"--grpc_socket_path={path}", f"--rest_api_port={free_port()}")
    server = ModelServer(tmp_path, "--model_name=waste", f"--model_base_path={base}", *flags)
    try:
        wait_until(lambda: "grpc=0 " in server.log.read_text())
        with grpc.insecure_channel(f"unix:{path}") as channel:
            server.prediction = PredictionServiceStub(channel)
            assert favourite(server) == (1, 1)
    finally:
        assert server.stop() == 0

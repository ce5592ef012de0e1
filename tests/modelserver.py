"""A real model server process, asked by TensorFlow Serving's own client messages and stubs."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import grpc
import numpy as np
import psutil
import requests
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from tests.modelfolders import SIDE
from tests.servers import free_port, wait_until

ROOT = Path(__file__).parents[1]
START_WITHIN_S = 90
ANSWER_WITHIN_S = 60
PATIENT = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]


class ModelServer:
    """`python -m serving.server` on ports of its own; its log is in the folder."""

    def __init__(self, folder: Path, *flags: str, port: int | None = None) -> None:
        self.port, self.rest_port = port or free_port(), free_port()
        self.log = folder / "server.log"
        command = [
            sys.executable,
            "-m",
            "serving.server",
            f"--port={self.port}",
            f"--rest_api_port={self.rest_port}",
        ]
        if not any(flag.startswith("--max_num_load_retries") for flag in flags):
            command.append("--max_num_load_retries=0")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *flags],
                cwd=ROOT,
                env={name: value for name, value in os.environ.items() if not name.startswith("BINOCULAR_")},
                stdout=log,
                stderr=log,
            )
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", options=PATIENT)
        self.prediction = PredictionServiceStub(self.channel)
        self.models = ModelServiceStub(self.channel)
        self.url = f"http://127.0.0.1:{self.rest_port}"

    def ready(self) -> Self:
        """Wait until both ports are open."""
        wait_until(
            lambda: self.process.poll() is not None or f"grpc={self.port} " in self.log.read_text(), START_WITHIN_S
        )
        assert self.process.poll() is None, self.log.read_text()
        return self

    def _says(self, text: str) -> bool:
        return text in self.log.read_text()

    def __enter__(self) -> Self:
        return self.ready()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process; its exit code."""
        self.process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ANSWER_WITHIN_S)
        self.process.kill()
        self.channel.close()
        return self.process.wait()

    def memory(self) -> int:
        """Bytes of memory it holds."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def worked(self) -> float:
        """Seconds of processor time it has used."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def predict(self, request: Any, timeout: float = ANSWER_WITHIN_S) -> Any:
        """Ask over gRPC, waiting for a server that is about to listen."""
        return self.prediction.Predict(request, timeout=timeout, wait_for_ready=True)

    def refusal(self, request: Any, timeout: float = ANSWER_WITHIN_S) -> tuple[grpc.StatusCode, str]:
        """How a request is refused."""
        try:
            self.prediction.Predict(request, timeout=timeout)
        except grpc.RpcError as error:
            return error.code(), error.details()
        raise AssertionError("it was answered")

    def states(self, model: str) -> dict[int, str]:
        """The state of each version, by name."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        status = get_model_status_pb2.ModelVersionStatus
        answer = self.models.GetModelStatus(request, timeout=ANSWER_WITHIN_S)
        return {it.version: status.State.Name(it.state) for it in answer.model_version_status}

    def problem(self, model: str, version: int) -> str:
        """Why a version does not load."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        request.model_spec.version.value = version
        answer = self.models.GetModelStatus(request, timeout=ANSWER_WITHIN_S)
        return str(answer.model_version_status[0].status.error_message)

    def post(self, path: str, body: Any) -> requests.Response:
        """Ask over REST."""
        return requests.post(f"{self.url}{path}", json.dumps(body), timeout=ANSWER_WITHIN_S)

    def get(self, path: str) -> requests.Response:
        """Look over REST."""
        return requests.get(f"{self.url}{path}", timeout=ANSWER_WITHIN_S)


def asks(model: str, signature: str = "", version: int | None = None, **inputs: Any) -> Any:
    """A PredictRequest of TensorFlow Serving's own."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


def pictures(count: int = 1) -> Any:
    """Pictures as the classifier takes them."""
    return np.random.default_rng(count).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def metadata_request(model: str) -> Any:
    """A GetModelMetadataRequest."""
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = model
    return request

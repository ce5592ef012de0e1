"""What the model server costs: start, memory, what a request takes beyond the model, and throughput.

    python -m benchmarks serving --alpha 0.5

Makes a MobileNetV2 as our export does (frozen SavedModel and LiteRT model), then asks a server process over
gRPC and, turn by turn in the same run, runs bare LiteRT interpreters in a loop: on a machine that others use
too, only ratios of neighbours in time mean something. Clients and server share the machine's cores. One client
asks with gRPC's own library, as programs do; many would cost as much as the server, so they are `grpc_client`'s.

An interpreter that rests between two questions takes longer for the next than one in a loop, so what one client
waits beyond the model is taken from how long the model took for these very questions, which the server counts.
"""

import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import grpc
import numpy as np
import psutil
import urllib3

from benchmarks.asking import asked
from benchmarks.bare import Bare
from benchmarks.models import make
from benchmarks.page import Table
from benchmarks.stack import free_port
from benchmarks.timing import CORES, SHOW, processor_s
from binocular.bundle import INPUT, LITERT
from binocular.wire import messages, tensors
from serving.server.server import METRICS_PATH

RUNTIME = re.compile(r"^:tensorflow:serving:runtime_latency_(sum|count)\{.*\} (.*)$", re.MULTILINE)
PREDICT = "/tensorflow.serving.PredictionService/Predict"
CLIENTS = 16
BATCHES = (1, 8, 64)
START_WITHIN_S = 60
MB = 1e6


def measure(alpha: float, side: int, rounds: int, seconds: float) -> Table:
    """Start, memory, and turns of bare loop and server."""
    with tempfile.TemporaryDirectory() as scratch:
        version = make(Path(scratch), alpha, side).version
        image = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
        figures: dict[str, float] = {
            **{f"ms an image in batches of {size}": ms for size, ms in _batches(version / LITERT, image).items()},
            **_start(version.parent, image),
            **_compare(version, image, rounds, seconds),
        }
    says = f"MobileNetV2 {alpha} at {side} pixels, asked over gRPC by {CLIENTS} clients and by one."
    return Table("The model server", says, [{"figure": name, "value": value} for name, value in figures.items()])


class Served:
    """A server process; calling it asks for one image."""

    def __init__(self, base: Path, image: np.ndarray) -> None:
        port, rest_port = free_port(), free_port()
        self._metrics = f"http://127.0.0.1:{rest_port}{METRICS_PATH}"
        monitoring = base.parent / "monitoring.config"
        monitoring.write_text("prometheus_config { enable: true }")
        self.address = f"127.0.0.1:{port}"
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "serving.server",
                f"--port={port}",
                f"--rest_api_port={rest_port}",
                f"--model_base_path={base}",
                f"--monitoring_config_file={monitoring}",
            ],
            stderr=subprocess.DEVNULL,
        )
        request = messages.PredictRequest()
        request.model_spec.name = "default"
        request.inputs[INPUT].CopyFrom(tensors.to_proto(image))
        self.request = request.SerializeToString()
        quick = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 20)]
        self._channel = grpc.insecure_channel(self.address, options=quick)
        self._call = self._channel.unary_unary(PREDICT)
        try:
            self._call(self.request, wait_for_ready=True, timeout=START_WITHIN_S)
        except BaseException:
            self.close()
            raise
        self.first_answer_s = time.perf_counter() - began

    def __call__(self) -> None:
        """Ask once."""
        self._call(self.request)

    def model_s(self) -> tuple[float, float]:
        """How long the model has run for requests, in seconds, and for how many."""
        text = urllib3.request("GET", self._metrics).data.decode()
        found = {name: float(value) for name, value in RUNTIME.findall(text)}
        return found["sum"] / 1e6, found["count"]

    def memory_mb(self) -> float:
        """What it holds."""
        return float(psutil.Process(self.process.pid).memory_info().rss / MB)

    def close(self) -> None:
        """End it."""
        self._channel.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def _latency(call: Callable[[], None], seconds: float) -> float:
    """Median milliseconds of a call, one after the other."""
    took, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


def _bare(path: Path, image: np.ndarray, batch: int = 1) -> Callable[[], None]:
    images = np.repeat(image, batch, axis=0)
    return partial(Bare(path, images.shape), images)


def _batches(path: Path, image: np.ndarray) -> dict[str, float]:
    return {str(size): _latency(_bare(path, image, size), 2) / size for size in BATCHES}


def _start(base: Path, image: np.ndarray) -> dict[str, float]:
    starts, memory = [], []
    for _ in range(5):
        with closing(Served(base, image)) as served:
            starts.append(served.first_answer_s)
            memory.append(served.memory_mb())
    return {"first_answer_s": statistics.median(starts), "memory_after_start_mb": statistics.median(memory)}


def _compare(version: Path, image: np.ndarray, rounds: int, seconds: float) -> dict[str, float]:
    bare = [_bare(version / LITERT, image) for _ in range(CORES)]
    rows = []
    with closing(Served(version.parent, image)) as served, tempfile.NamedTemporaryFile() as message:
        message.write(served.request)
        message.flush()
        here, there = psutil.Process(), psutil.Process(served.process.pid)
        for _ in range(rounds):
            alone = _latency(bare[0], seconds)
            model_s, questions = served.model_s()
            asked_one = _latency(served, seconds)
            model_after_s, questions_after = served.model_s()
            model_ms = 1e3 * (model_after_s - model_s) / (questions_after - questions)
            began = processor_s([here])
            loop = _throughput(bare, seconds)
            loop_ms = 1e3 * (processor_s([here]) - began) / (loop * seconds)
            began = processor_s([there])
            many = asked(served.address, Path(message.name), CLIENTS, seconds, PREDICT)
            server_s = processor_s([there]) - began
            if many["failed"]:
                SHOW.print(f"{many['failed']} failed: {many['first_failure']}", markup=False)
            count = int(many["count"]) or 1
            clients = count / many["seconds"]
            server_ms, client_ms = 1e3 * server_s / count, 1e3 * many["cpu_s"] / count
            rows.append(
                {
                    "bare_ms": alone,
                    "one_client_ms": asked_one,
                    "model_ms_for_one_client": model_ms,
                    "overhead_ms": asked_one - model_ms,
                    "bare_loop_images_s": loop,
                    "clients_images_s": clients,
                    "share_of_bare_loop": clients / loop,
                    "bare_loop_cpu_ms": loop_ms,
                    "server_cpu_ms": server_ms,
                    "client_cpu_ms": client_ms,
                    "share_by_cpu": loop_ms / (server_ms + client_ms),
                }
            )
        memory = served.memory_mb()
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    return {**medians, "memory_after_load_mb": memory}


def _throughput(calls: list[Callable[[], None]], seconds: float) -> float:
    """Calls a second, a thread each."""
    end = time.perf_counter() + seconds

    def loop(call: Callable[[], None]) -> int:
        count = 0
        while time.perf_counter() < end:
            call()
            count += 1
        return count

    with ThreadPoolExecutor(len(calls)) as threads:
        return sum(threads.map(loop, calls)) / seconds

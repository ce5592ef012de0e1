"""Starting what we are compared with: the programs in `peers/`, in their own environment.

with rivals(made) as all_of_them:
    all_of_them[0].address, all_of_them[0].message(photo)
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil

from benchmarks.http_client import request
from benchmarks.models import Made
from benchmarks.page import ROOT
from benchmarks.stack import free_port
from benchmarks.timing import CORES
from binocular.sample.spec import CLASSES

ENVIRONMENT = ROOT / ".venv-bench"
PYTHON = ENVIRONMENT / "bin" / "python"
PEERS = Path(__file__).parent / "peers"
PATH = "/predict"
START_WITHIN_S = 120
END_WITHIN_S = 20


@dataclass(frozen=True)
class Rival:
    """A server that runs, and how it is asked."""

    name: str
    address: str
    process: psutil.Process
    form: bool  # whether it takes a form, not the bytes of the photo

    def message(self, photo: bytes) -> bytes:
        """The request about a photo."""
        if not self.form:
            return request(PATH, photo, "image/jpeg")
        boundary = uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        )
        body = head.encode() + photo + f"\r\n--{boundary}--\r\n".encode()
        return request(PATH, body, f"multipart/form-data; boundary={boundary}")


def prepare(made: Made) -> Path:
    """The model for onnxruntime, made from ours; the environment must be there."""
    if not PYTHON.exists():
        raise SystemExit(f"{ENVIRONMENT} is missing: `make bench` makes it")
    onnx = made.folder / "model.onnx"
    command = ["-m", "tf2onnx.convert", "--saved-model", str(made.version), "--output", str(onnx), "--opset", "17"]
    with (made.folder / "tf2onnx.log").open("wb") as log:
        subprocess.run([str(PYTHON), *command], check=True, stdout=log, stderr=log, env=_environment(made, onnx))
    return onnx


@contextlib.contextmanager
def rivals(made: Made) -> Iterator[list[Rival]]:
    """All of them, running."""
    onnx = prepare(made)
    uvicorn = ["uvicorn", "fastapi_app:app", "--workers", str(CORES), "--log-level", "warning", "--no-access-log"]
    with (
        _running("Flask + model.predict", ["flask", "--app", "flask_app", "run"], made, made.keras) as flask,
        _running("FastAPI + onnxruntime", uvicorn, made, onnx) as fastapi,
        _running(
            "BentoML + onnxruntime", ["bentoml", "serve", "bento_app:Classifier"], made, onnx, form=True
        ) as bento,
    ):
        yield [flask, fastapi, bento]


@contextlib.contextmanager
def _running(name: str, command: list[str], made: Made, model: Path, *, form: bool = False) -> Iterator[Rival]:
    """A server, until the block ends."""
    port = free_port()
    with (made.folder / f"{name.partition(' ')[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PYTHON), "-m", *command, "--port", str(port)],
            cwd=PEERS,
            env=_environment(made, model),
            stdout=log,
            stderr=log,
        )
    seen = psutil.Process(process.pid)
    rival = Rival(name, f"127.0.0.1:{port}", seen, form)
    try:
        _wait_for(port, process)
        yield rival
    finally:
        family = [*seen.children(recursive=True), seen]
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_WITHIN_S)
        _, left = psutil.wait_procs(family, timeout=1)
        for each in left:
            with contextlib.suppress(psutil.Error):
                each.kill()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when somebody listens."""
    end = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"{' '.join(map(str, process.args))} does not listen")  # type: ignore[arg-type]


def _environment(made: Made, model: Path) -> dict[str, str]:
    """Nothing of ours is on its path."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    facts = {"MODEL": str(model), "SIDE": str(made.side), "CLASSES": ",".join(CLASSES), "WORKERS": str(CORES)}
    home = {"BENTOML_HOME": str(made.folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    return {**kept, **facts, **home, "TF_CPP_MIN_LOG_LEVEL": "3"}

"""How long each phase of `make demo` takes, on a machine where everything is installed."""

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.page import Bars, Row, Table
from benchmarks.processes import started
from benchmarks.stack import Stack
from benchmarks.timing import SHOW
from binocular.sample.spec import CLASSES


def measure() -> Table:
    """The commands of the demo, one after the other, in a folder of their own."""
    with tempfile.TemporaryDirectory() as scratch:
        stack, took = Stack(Path(scratch)), dict[str, float]()
        began = time.perf_counter()
        with stack:
            took["start everything"] = time.perf_counter() - began
            took["draw the sample"] = _timed(stack, "sample", "sample")
            took |= _steps(stack)
            photo = next((Path(scratch) / "sample" / CLASSES[1]).glob("*.jpg"))
            took["wait for the model and predict"] = _timed(stack, "predict", "--wait", "60", str(photo))
    rows: list[Row] = [{"phase": name, "seconds": seconds} for name, seconds in took.items()]
    rows.append({"phase": "all", "seconds": sum(took.values())})
    return Table("The demo", "What `make demo` does, once everything is installed.", rows, [Bars("seconds", took)])


def _timed(stack: Stack, *arguments: str) -> float:
    SHOW.print(arguments[0])
    began = time.perf_counter()
    stack.binocular(*arguments)
    return time.perf_counter() - began


def _steps(stack: Stack) -> dict[str, float]:
    """The pipeline's steps as `binocular run` reports them: each takes from the report before it to its own."""
    command = ["run", "-p", f"source={stack.folder / 'sample'}", "-p", "architecture=small_cnn", "-p", "epochs=24"]
    took: dict[str, float] = {}
    environment = {**stack.environment, "PYTHONUNBUFFERED": "1"}
    with started(
        "-m", "binocular", *command, cwd=stack.folder, env=environment, stdout=subprocess.PIPE
    ) as process:
        before = time.perf_counter()
        for line in process.stdout or []:
            state, _, step = line.strip().partition("  ")
            if state == "SUCCEEDED" and step:
                now = time.perf_counter()
                took[step.strip().rpartition("/")[2]] = now - before
                before = now
    if process.returncode:
        raise SystemExit(f"binocular {' '.join(command)} ended with {process.returncode}")
    return took

"""How ingest and validation grow with the number of images: time an image, and peak memory.

    python -m benchmarks scale --images 10000 --images 100000

Draws tiny synthetic photos into a tar file and runs each step on it in a process of its own, as a person would.
"""

import io
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.page import Row, Table
from benchmarks.processes import started
from components.validate.__main__ import EXIT_UNFIT

CLASSES = 10
SIDE = 32
PATCHES = 4


def measure(images: Sequence[int]) -> Table:
    """Measure each step on sets of these sizes."""
    rows: list[Row] = []
    for count in images:
        with tempfile.TemporaryDirectory() as scratch:
            rows += _measure(count, Path(scratch))
    return Table("Large datasets", f"Photos of {SIDE} x {SIDE} pixels; each step is a process of its own.", rows)


def _measure(count: int, scratch: Path) -> list[Row]:
    photos, snapshot = scratch / "photos.tar", scratch / "snapshot"
    _draw(photos, count)
    return [
        _run("ingest", count, "components.ingest", str(photos), "--out", str(snapshot)),
        _run(
            "validate", count, "components.validate", "--snapshot", str(snapshot), "--out", str(scratch / "report")
        ),
    ]


def _draw(path: Path, count: int) -> None:
    """Pictures of a few coloured patches: different enough not to be near-duplicates as a rule."""
    rng = np.random.default_rng(0)
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            patches = rng.integers(0, 256, (PATCHES, PATCHES, 3), dtype=np.uint8)
            file = io.BytesIO()
            Image.fromarray(patches).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
            member = tarfile.TarInfo(f"photos/class {number % CLASSES}/{number:06}.jpg")
            member.size = file.tell()
            file.seek(0)
            tar.addfile(member, file)


def _run(step: str, count: int, module: str, *arguments: str) -> Row:
    """Run a step; its wall time and the most memory that it held."""
    began = time.perf_counter()
    with started("-m", module, *arguments, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, EXIT_UNFIT}:
        raise SystemExit(f"{step} ended with exit code {process.returncode}")
    return {
        "step": step,
        "images": count,
        "seconds": seconds,
        "µs an image": seconds / count * 1e6,
        "peak MB": usage.ru_maxrss / 1024,
    }

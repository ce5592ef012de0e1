"""How ingest and validation grow with the number of images: time an image, and peak memory.

    python -m benchmarks.scale --images 10000 --images 100000 --json scale.json

Draws tiny synthetic photos into a tar file and runs each step on it in a process of its own, as a person would.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

CLASSES = 10
SIDE = 32
PATCHES = 4


@dataclass(frozen=True)
class Measured:
    """What one step took."""

    step: str
    images: int
    seconds: float
    us_per_image: float
    peak_mb: float


@click.command()
@click.option("--images", multiple=True, type=click.IntRange(100), default=(10_000, 100_000), show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path), help="File to write the figures to.")
def main(images: tuple[int, ...], out: Path | None) -> None:
    """Measure each step on sets of these sizes."""
    results = []
    for count in images:
        with tempfile.TemporaryDirectory() as scratch:
            results += _measure(count, Path(scratch))
    table = Table("step", "images", "seconds", "µs an image", "peak MB", box=None)
    for each in results:
        table.add_row(
            each.step, f"{each.images:,}", f"{each.seconds:.1f}", f"{each.us_per_image:.0f}", f"{each.peak_mb:.0f}"
        )
    Console().print(table)
    if out:
        out.write_text(json.dumps([asdict(each) for each in results], indent=1))


def _measure(count: int, scratch: Path) -> list[Measured]:
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


def _run(step: str, count: int, module: str, *arguments: str) -> Measured:
    """Run a step; its wall time and the most memory that it held."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1}:  # 1: validation found something that would stop a run
        raise SystemExit(f"{step} ended with exit code {process.returncode}")
    return Measured(step, count, seconds, seconds / count * 1e6, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()

"""The limit: decode, resize and LiteRT in a bare loop on every core. Nothing that serves can be faster.

    python -m benchmarks.limit model.tflite photo.jpg --side 160 --seconds 4 --workers 2

A thread a core: decoder and interpreter both let go of Python's lock while they work.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from benchmarks.bare import Bare
from benchmarks.timing import CORES, Turn, quantile_ms
from binocular.imaging import decode


class Worker:
    """Decodes a photo and answers it, again and again."""

    def __init__(self, model: Path, photo: bytes, side: int) -> None:
        self._answer = Bare(model, (1, side, side, 3))
        self._photo, self._side = photo, side

    def __call__(self) -> None:
        """One photo."""
        self._answer(decode(self._photo, self._side, self._side)[None])

    def until(self, end: float) -> list[float]:
        """Photo after photo; the seconds that each took."""
        took = []
        while (began := time.perf_counter()) < end:
            self()
            took.append(time.perf_counter() - began)
        return took


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--side", default=160)
@click.option("--seconds", default=4.0)
@click.option("--workers", default=CORES)
def main(model: Path, photo: Path, side: int, seconds: float, workers: int) -> None:
    """Run, and print what came of it as JSON."""
    all_of_them = [Worker(model, photo.read_bytes(), side) for _ in range(workers)]
    for each in all_of_them:
        each()
    cpu, end = time.process_time(), time.perf_counter() + seconds
    with ThreadPoolExecutor(workers) as threads:
        took = [each for found in threads.map(lambda it: it.until(end), all_of_them) for each in found]
    cpu_ms = 1000 * (time.process_time() - cpu) / len(took)
    print(json.dumps(vars(Turn(len(took), seconds, quantile_ms(took, 0.5), quantile_ms(took, 0.95), cpu_ms))))


def limit(model: Path, photo: Path, side: int, seconds: float, workers: int = CORES) -> Turn:
    """The same, in a process of its own."""
    options = [f"--side={side}", f"--seconds={seconds}", f"--workers={workers}"]
    command = [sys.executable, "-m", "benchmarks.limit", str(model), str(photo), *options]
    return Turn(**json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


if __name__ == "__main__":
    main()

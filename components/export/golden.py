"""Golden images: a few of the test split with the answers Keras gave, which every copy of the model must give."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binocular import snapshot
from binocular.bundle import GOLDEN, OUTPUT, TOLERANCE
from binocular.candidate import FAMILIARITY, Answers
from binocular.errors import DataError, ModelError
from binocular.pixels import decode_row
from binocular.snapshot import Row

IMAGES = 8
FRESH_PROCESS = Path(__file__).with_name("fresh_process.py")
PROVEN_WITHIN_S = 300


def choose(rows: Sequence[Row]) -> list[Row]:
    """Some test images, of as many classes as can be."""
    by_class: dict[str, list[Row]] = {}
    for row in rows:
        if row.split == "test":
            by_class.setdefault(row.label, []).append(row)
    if not by_class:
        raise DataError("no test images, so that nothing can be proven: raise ingest's test_share")
    return list(_dealt(by_class))[:IMAGES]


def _dealt(by_class: dict[str, list[Row]]) -> Iterator[Row]:
    """One of each class, then another of each, and so on."""
    for deal in zip_longest(*(by_class[label] for label in sorted(by_class))):
        yield from (row for row in deal if row is not None)


def pixels(rows: Sequence[Row], folder: Path, answers: Answers) -> NDArray[np.uint8]:
    """The pixels of rows as the model takes them."""
    found = snapshot.images(folder, rows)
    return np.stack([decode_row(row, data, answers.height, answers.width) for row, data in found])


def write_golden(model: Any, images: NDArray[np.uint8], folder: Path) -> None:  # noqa: ANN401 - Keras has no types
    """Write golden.npz: images, and what Keras makes of them."""
    answers = model.predict_on_batch(images)
    named = zip((OUTPUT, FAMILIARITY), answers if isinstance(answers, list) else [answers], strict=False)
    arrays: dict[str, Any] = {name: np.asarray(each, np.float32) for name, each in named}
    np.savez_compressed(folder / GOLDEN, images=images, **arrays)


def prove(folder: Path) -> dict[str, float]:
    """Load a bundle in a fresh process, without this project, and compare; how far its graphs are off.

    ModelError where one cannot be loaded or is off by more than the tolerance.
    """
    command = [sys.executable, "-I", str(FRESH_PROCESS), str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROVEN_WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"the exported model did not answer in a fresh process within {PROVEN_WITHIN_S} s: give the step more"
            " cores, or take a smaller network"
        ) from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ModelError(f"the exported model cannot be loaded in a fresh process: {last[0][:300]}")
    off: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    for graph, distance in off.items():
        if not distance <= TOLERANCE:
            raise ModelError(f"the exported {graph} answers differently from Keras: off by {distance:.2g}")
    return off

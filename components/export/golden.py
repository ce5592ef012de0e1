"""Golden images: a few of the test split with the answers Keras gave, which every copy of the model must give.

An int8 graph cannot give those. It has answers of its own beside them, given when it was judged: whoever loads it
gets the same again, and what Keras is sure of it calls the same.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binocular.bundle import GOLDEN, OF_LITERT, OUTPUT, TOLERANCE
from binocular.candidate import FAMILIARITY, Answers
from binocular.errors import DataError, ModelError
from binocular.report.words import percent
from binocular.snapshot import Row
from components.export.looking import Pixels, dealt, looks

Named = Mapping[str, NDArray[np.float32]]

IMAGES = 8
FRESH_PROCESS = Path(__file__).with_name("fresh_process.py")
PROVEN_WITHIN_S = 300
# What Keras says with this probability, an int8 graph is to say as well.
SURE = 0.8


def choose(rows: Sequence[Row]) -> list[Row]:
    """Some test images, of as many classes as can be."""
    chosen = dealt(rows, "test", IMAGES)
    if not chosen:
        raise DataError("no test images, so that nothing can be proven: raise ingest's test_share")
    return chosen


def pixels(rows: Sequence[Row], folder: Path, answers: Answers) -> Pixels:
    """The pixels of rows as the model takes them."""
    return np.stack([found for _, found in looks(rows, folder, answers)])


def answers_of(model: Any, images: Pixels) -> Named:  # noqa: ANN401 - Keras has no types
    """What Keras answers, by the names of the outputs."""
    answers = model.predict_on_batch(images)
    named = zip((OUTPUT, FAMILIARITY), answers if isinstance(answers, list) else [answers], strict=False)
    return {name: np.asarray(each, np.float32) for name, each in named}


def write_golden(images: Pixels, expected: Named, of_litert: Named | None, folder: Path) -> None:
    """Write golden.npz: images, Keras's answers, and those of a LiteRT graph that has its own to give."""
    own = {OF_LITERT + name: each for name, each in (of_litert or {}).items()}
    arrays: dict[str, Any] = {**expected, **own}
    np.savez_compressed(folder / GOLDEN, images=images, **arrays)


def called_otherwise(expected: Named, found: Named, classes: Sequence[str]) -> str | None:
    """Which golden image that Keras is sure of a graph calls something else; None if there is none."""
    for keras, lite in zip(expected[OUTPUT], found[OUTPUT], strict=True):
        sure, other = classes[keras.argmax()], classes[lite.argmax()]
        if keras.max() >= SURE and sure != other:
            return f"a golden image that is {sure} to Keras with {percent(float(keras.max()))} is {other} to it"
    return None


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
            raise ModelError(
                f"the exported {graph} answers differently from its golden answers: off by {distance:.2g}"
            )
    return off

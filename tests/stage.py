"""A machine with a first model in production, for tests of what comes after."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.machine import Machine

TRAINED_WITHIN_S = 600
# Whoever is trained like this is let in: what the gate refuses is tested where it is.
LENIENT = {"max_accuracy_drop": 1, "max_class_recall_drop": 1, "max_class_collapse": 1}
FAST = (
    "-p",
    "architecture=small_cnn",
    "-p",
    "epochs=24",
    "-p",
    "augmentation=none",
    "-p",
    f"gate={json.dumps(LENIENT)}",
)


@contextmanager
def trained(folder: Path, photos: Path, epochs: int = 8) -> Iterator[Machine]:
    """A machine on which one run has put a first model into production."""
    machine = Machine(folder)
    try:
        code, output = machine.run("up")
        assert code == 0, output
        with machine.start("run", *FAST, "-p", f"source={photos}", "-p", f"epochs={epochs}") as process:
            output, _ = process.communicate(timeout=TRAINED_WITHIN_S)
        assert process.returncode == 0, output
        yield machine
    finally:
        machine.run("down")

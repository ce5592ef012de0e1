"""Drawing the sample into a folder."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from binocular.errors import ConflictError
from binocular.parallel import in_parallel
from binocular.sample import faults
from binocular.sample.faults import Planted
from binocular.sample.objects import DRAWERS
from binocular.sample.scene import photograph
from binocular.sample.spec import CLASSES, Spec

# One in five goes to the test side of a published split.
TEST_EVERY = 5


def write(folder: Path, spec: Spec, on_image: Callable[[], object] = lambda: None) -> list[Planted]:
    """Draw the sample into a folder that appears only when it is complete; the faults that were planted."""
    if folder.exists():
        raise ConflictError(f"{folder} exists; name another folder or delete it first")
    draft = folder.with_name(f".{folder.name}.drawing")
    shutil.rmtree(draft, ignore_errors=True)

    def draw(item: tuple[str, int]) -> None:
        label, number = item
        path = draft / relative_path(label, number, split=spec.split)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(label, number, spec.size, spec.seed))

    items = ((label, number) for label in CLASSES for number in range(spec.images))
    try:
        for _ in in_parallel(os.cpu_count() or 1, draw, items):
            on_image()
        planted = faults.plant(draft, spec.plant)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return planted


def relative_path(label: str, number: int, *, split: bool) -> Path:
    """Where an image of the sample lies."""
    side = ("test" if number % TEST_EVERY == 0 else "train") if split else ""
    return Path(side, label, f"{label}-{number:04}.jpg")


def render(label: str, number: int, size: int, seed: int) -> bytes:
    """One image of the sample, as a JPEG file."""
    rng = np.random.default_rng([seed, CLASSES.index(label), number])
    return photograph(DRAWERS[label](rng), size, rng)

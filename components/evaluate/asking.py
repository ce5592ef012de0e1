"""Asking models about the images of a snapshot, all in one pass over its packs, in batches.

Memory holds a batch of pixels for each input size, and the answers.
"""

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from binocular import snapshot
from binocular.errors import BinocularError
from binocular.parallel import in_batches, in_parallel
from binocular.pixels import decode_row
from binocular.progress import with_progress
from binocular.snapshot import Row
from components.evaluate.models import Model, Pixels, Probabilities

BATCH = 32
# One image is asked about this often, after a few times that do not count.
TIMED, WARMUP = 40, 5

Size = tuple[int, int]

log = logging.getLogger(__name__)


class Asked:
    """A model, what it answered so far, and why it stopped answering if it did."""

    def __init__(self, model: Model, *, may_fail: bool) -> None:
        self.model = model
        self.size: Size = (model.facts.height, model.facts.width)
        self.fault: str | None = None
        self._may_fail = may_fail
        self._answers: list[Probabilities] = []

    def answer(self, pixels: Pixels) -> Probabilities | None:
        """The answer to a batch; a model that may fail, and did, is not asked again."""
        if self.fault is None:
            try:
                return self.model.answer(pixels)
            except BinocularError as error:
                if not self._may_fail:
                    raise
                self.fault = str(error)
        return None

    def ask(self, pixels: Pixels) -> None:
        """Keep the answer to a batch."""
        answer = self.answer(pixels)
        if answer is not None:
            self._answers.append(answer)

    def answers(self) -> Probabilities:
        """All answers that were kept, an image a row."""
        return np.concatenate([np.zeros((0, len(self.model.facts.classes)), np.float32), *self._answers])


def ask_all(models: Sequence[Asked], folder: Path, rows: Sequence[Row]) -> list[Row]:
    """Ask every model about every row's image; the rows in the order of the answers."""
    sizes = sorted({asked.size for asked in models})

    def look(item: tuple[Row, bytes]) -> tuple[Row, dict[Size, Pixels]]:
        row, data = item
        return row, {size: decode_row(row, data, *size) for size in sizes}

    asked_about: list[Row] = []
    decoded = in_parallel(os.cpu_count() or 1, look, snapshot.images(folder, rows))
    for batch in in_batches(BATCH, with_progress(decoded, log, "evaluating", of=len(rows))):
        for size in sizes:
            pixels = np.stack([looks[size] for _, looks in batch])
            for asked in models:
                if asked.size == size:
                    asked.ask(pixels)
        asked_about += [row for row, _ in batch]
    return asked_about


def latencies(models: Sequence[Asked], folder: Path, row: Row) -> list[NDArray[np.float64]]:
    """Milliseconds of single images for each model, in turns, so that a busy moment hits all of them."""
    ((_, data),) = snapshot.images(folder, [row])
    pixels = [decode_row(row, data, *asked.size)[None] for asked in models]
    taken = np.empty((len(models), TIMED + WARMUP))
    for turn in range(TIMED + WARMUP):
        for index, asked in enumerate(models):
            started = time.perf_counter()
            asked.answer(pixels[index])
            taken[index, turn] = 1000 * (time.perf_counter() - started)
    return list(taken[:, WARMUP:])

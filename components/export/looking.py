"""Images of a snapshot as the model takes them: which of them, and their pixels as they come from the packs."""

import os
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from binocular import snapshot
from binocular.candidate import Answers
from binocular.parallel import in_parallel
from binocular.pixels import decode_row
from binocular.snapshot import Row, Split

Pixels = NDArray[np.uint8]


def dealt(rows: Sequence[Row], split: Split, most: int) -> list[Row]:
    """Some rows of a split, one of each class, then another of each, and so on."""
    by_class: dict[str, list[Row]] = {}
    for row in rows:
        if row.split == split:
            by_class.setdefault(row.label, []).append(row)
    deals = zip_longest(*(by_class[label] for label in sorted(by_class)))
    return [row for deal in deals for row in deal if row is not None][:most]


def looks(rows: Sequence[Row], folder: Path, answers: Answers) -> Iterator[tuple[Row, Pixels]]:
    """Each row with its pixels, in the order of the packs, a few at a time: memory stays flat."""

    def look(item: tuple[Row, bytes]) -> tuple[Row, Pixels]:
        row, data = item
        return row, decode_row(row, data, answers.height, answers.width)

    return in_parallel(os.cpu_count() or 1, look, snapshot.images(folder, rows))

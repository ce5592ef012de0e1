"""What a training learns from: the rows of a snapshot that are used, and their pixels."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from logging import Logger
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from binocular import snapshot
from binocular.errors import DataError
from binocular.parallel import in_parallel
from binocular.pixels import decode_row
from binocular.progress import with_progress
from binocular.snapshot import Row, Snapshot, Split

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Material:
    """A snapshot in a folder, and those of its rows that validation let pass."""

    snapshot: Snapshot
    folder: Path
    rows: tuple[Row, ...]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes there are training images of, sorted. DataError where that is not enough to learn from."""
        counts = dict.fromkeys(self.snapshot.classes, 0)
        for row in self.side("train"):
            counts[row.label] += 1
        without = [label for label, number in counts.items() if not number]
        if without:
            raise DataError(f"no training images of {', '.join(without[:5])}: add some, or take the class out")
        if len(counts) < 2:  # noqa: PLR2004 - two
            raise DataError("there is one class; a classifier needs two or more")
        if not self.side("validation"):
            raise DataError("no validation images: add images, or raise ingest's validation_share")
        return tuple(counts)

    def side(self, split: Split) -> list[Row]:
        """The rows of one side."""
        return [row for row in self.rows if row.split == split]

    def labels(self, rows: Sequence[Row]) -> NDArray[np.int64]:
        """The class of each row as a number."""
        number = {label: place for place, label in enumerate(self.classes)}
        return np.array([number[row.label] for row in rows], dtype=np.int64)

    def decoded(self, rows: Sequence[Row], side: int, log: Logger, event: str) -> Iterator[tuple[Row, Pixels]]:
        """Each row with its pixels, as they come from the packs, several decoded at once."""

        def decode(item: tuple[Row, bytes]) -> tuple[Row, Pixels]:
            row, data = item
            return row, decode_row(row, data, side, side)

        decoded = in_parallel(os.cpu_count() or 1, decode, snapshot.images(self.folder, rows))
        return with_progress(decoded, log, event, of=len(rows))

    def pixels(self, rows: Sequence[Row], side: int, path: Path, log: Logger) -> Pixels:
        """The pixels of all rows in their order, in a file that is mapped and not loaded: memory stays flat."""
        places: dict[int, int] = {id(row): place for place, row in enumerate(rows)}
        path.parent.mkdir(parents=True, exist_ok=True)
        array: Pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (len(rows), side, side, 3))
        with path.open("rb+") as file:
            # All of the room now: where a disk is full, writing to what is mapped would kill the process.
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        for row, pixels in self.decoded(rows, side, log, "decoding"):
            array[places[id(row)]] = pixels
        return array

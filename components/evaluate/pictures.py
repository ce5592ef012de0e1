"""The pictures of a gallery: each image worth looking at, and where the candidate looked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from binocular import snapshot
from binocular.parallel import in_batches
from binocular.pixels import decode_row
from binocular.report.pictures import data_url, small
from binocular.snapshot import Row
from components.evaluate.heatmap import Heatmaps, overlaid
from components.evaluate.mistakes import Gallery, Shown
from components.evaluate.models import KerasModel

SIDE: Final = 176
# Heatmaps are made of this many images at a time.
BATCH: Final = 8
HEAT: Final = "heat:"


@dataclass(frozen=True)
class Pictures:
    """Data URLs: an image by its digest, its heatmap by `heat:` and its digest."""

    urls: dict[str, str] = field(default_factory=dict)
    note: str | None = None  # why there are no heatmaps


def pictures(gallery: Gallery, model: KerasModel, folder: Path, rows: Sequence[Row]) -> Pictures:
    """The pictures of everything in the gallery."""
    shown = {each.sha256: each for each in (*gallery.worst, *gallery.fixed, *gallery.broken)}
    if not shown:
        return Pictures()
    wanted = {row.sha256: row for row in rows if row.sha256 in shown}
    heatmaps, note = Heatmaps.of(model)
    made: dict[str, str] = {}
    for batch in in_batches(BATCH, snapshot.images(folder, wanted.values())):
        drawn = {row.sha256: small(row, data, SIDE) for row, data in batch}
        made |= {sha256: data_url(picture) for sha256, picture in drawn.items()}
        if heatmaps is not None:
            places = [model.facts.classes.index(shown[row.sha256].candidate.label) for row, _ in batch]
            heat = heatmaps.about(_pixels(model, batch), places)
            for (row, _), each in zip(batch, heat, strict=True):
                made[HEAT + row.sha256] = data_url(overlaid(drawn[row.sha256], each))
    return Pictures(made, note)


def wanted(gallery: Gallery) -> Iterator[str]:
    """The names of the pictures, those first that a person should see first."""
    groups: tuple[tuple[Shown, ...], ...] = (gallery.worst, gallery.broken, gallery.fixed)
    for group in groups:
        for each in group:
            yield each.sha256
            yield HEAT + each.sha256


def _pixels(model: KerasModel, batch: Sequence[tuple[Row, bytes]]) -> np.typing.NDArray[np.uint8]:
    height, width = model.facts.height, model.facts.width
    return np.stack([decode_row(row, data, height, width) for row, data in batch])

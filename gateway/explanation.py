"""Why the model says what it says: which parts of an image its answer rests on.

    told = Explainer(model, seconds=5).explain(pixels, found)

Asked of the model alone, and so of any model: parts of the image are covered with its mean colour, one after the
other, and where the odds of the best guess fall, there is what the model looked at. The parts overlap, so the map
is smooth. It costs as much as some fifty predictions and is bounded: in time, and to one at once in a worker.
"""

import io
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from binocular.errors import ModelTimeoutError, ModelUnavailableError
from gateway.classifier import Classified
from gateway.model import Model, Signature

# The image in GRID x GRID cells; a part that is covered has SPAN x SPAN of them.
GRID, SPAN = 8, 2
PARTS = GRID - SPAN + 1
# Parts in one request to the model, which may not be too large.
CHUNK = 16
# Covering anything changes a little; where the odds fall by less than this, nothing is shown.
LEAST = 0.1
SURE = 1e-6
OPAQUE = 200

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Heatmap:
    """Where the best guess rests: a PNG to be laid over the image, of the size that the model saw it in."""

    png: bytes
    width: int
    height: int
    fall: float  # of the probability, where the most important part is covered


class Explainer:
    """Explains the answers of one model, each within a time."""

    def __init__(self, model: Model, seconds: float) -> None:
        self._model = model
        self._seconds = seconds

    def explain(self, pixels: Pixels, found: Classified) -> Heatmap:
        """What the best guess rests on. ModelTimeoutError where that takes too long."""
        best = int(np.argmax(found.probabilities))
        covered = covers(pixels)
        signature = Signature(found.version, *pixels.shape[:2])
        end, probabilities = time.monotonic() + self._seconds, list[float]()
        for start in range(0, len(covered), CHUNK):
            left_s = end - time.monotonic()
            if left_s <= 0:
                raise ModelTimeoutError(f"an explanation took more than {self._seconds:g} s")
            answer = self._model.predict(covered[start : start + CHUNK], signature, left_s)
            if answer.version != found.version:
                raise ModelUnavailableError("another version came while one was being explained")
            probabilities += answer.probabilities[:, best].tolist()
        falls = _odds(found.probabilities[best]) - _odds(np.array(probabilities).reshape(PARTS, PARTS))
        height, width = pixels.shape[:2]
        fall = max(found.probabilities[best] - min(probabilities), 0.0)
        return Heatmap(drawn(falls, height, width), width, height, fall)


def _odds(probability: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds: a model that is all but certain moves in them, and hardly in probability."""
    clipped = np.clip(probability, SURE, 1 - SURE)
    odds: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return odds


def covers(pixels: Pixels) -> Pixels:
    """The image again and again, each time with another part of it covered."""
    height, width = pixels.shape[:2]
    mean = pixels.reshape(-1, pixels.shape[2]).mean(axis=0).round().astype(np.uint8)
    found = np.repeat(pixels[None], PARTS * PARTS, axis=0)
    for n in range(PARTS * PARTS):
        row, column = divmod(n, PARTS)
        down = slice(row * height // GRID, (row + SPAN) * height // GRID)
        across = slice(column * width // GRID, (column + SPAN) * width // GRID)
        found[n, down, across] = mean
    return found


def drawn(falls: NDArray[np.float64], height: int, width: int) -> bytes:
    """The falls of the parts as a PNG: clear where nothing depends on it, red where the most does."""
    cells = np.zeros((GRID, GRID))
    for down in range(SPAN):
        for across in range(SPAN):
            cells[down : down + PARTS, across : across + PARTS] += np.maximum(falls, 0)
    # Cells at the edge are in fewer parts.
    times = np.minimum(np.minimum(np.arange(1, GRID + 1), np.arange(GRID, 0, -1)), SPAN)
    cells /= np.outer(times, times)
    top = float(cells.max())
    shown = cells / top if float(falls.max()) >= LEAST else np.zeros_like(cells)
    smooth = Image.fromarray(shown.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(smooth), 0, 1)
    layers = [np.full_like(strength, 255), 210 * (1 - strength), np.zeros_like(strength), OPAQUE * strength]
    out = io.BytesIO()
    Image.fromarray(np.stack(layers, axis=-1).astype(np.uint8), "RGBA").save(out, "PNG")
    return out.getvalue()

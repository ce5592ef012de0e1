"""Varying training images: a flip, a little turning, zooming and shifting, light and colour.

Everything is drawn by NumPy from a generator that the caller seeds, so that a training is repeatable whatever runs
beside it; TensorFlow only applies it, a batch at a time.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


@dataclass(frozen=True)
class Strength:
    """How far each variation goes, to either side."""

    turn: float  # radians
    zoom: float  # share of the size
    shift: float  # share of the side
    light: float  # share of full white
    contrast: float
    colour: float  # share by which one channel is stronger than another


STRENGTHS = {
    "light": Strength(turn=0.12, zoom=0.12, shift=0.06, light=0.08, contrast=0.15, colour=0.05),
    "strong": Strength(turn=0.35, zoom=0.25, shift=0.12, light=0.16, contrast=0.35, colour=0.12),
}


def varied(images: NDArray[np.uint8], strength: Strength, draw: np.random.Generator) -> NDArray[np.uint8]:
    """The images, each varied in its own way."""
    number, height, width, _ = images.shape
    moved = _moved(images, _transforms(number, height, width, strength, draw))
    gain = 1 + draw.uniform(-strength.contrast, strength.contrast, (number, 1, 1, 1))
    gain = gain * (1 + draw.uniform(-strength.colour, strength.colour, (number, 1, 1, 3)))
    offset = 255 * draw.uniform(-strength.light, strength.light, (number, 1, 1, 1))
    middle = 127.5
    lit = (moved - middle) * gain.astype(np.float32) + (middle + offset).astype(np.float32)
    result: NDArray[np.uint8] = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return result


def _moved(images: NDArray[np.uint8], transforms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each image through its projective transform; what comes in from outside is the image mirrored."""
    moved: NDArray[np.float32] = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=transforms,
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    ).numpy()
    return moved


def _transforms(
    number: int, height: int, width: int, strength: Strength, draw: np.random.Generator
) -> NDArray[np.float32]:
    """For each image the eight numbers that say where a pixel of the result comes from."""
    turn = draw.uniform(-strength.turn, strength.turn, number)
    zoom = 1 + draw.uniform(-strength.zoom, strength.zoom, number)
    mirrored = np.where(draw.random(number) < 0.5, -1.0, 1.0)  # noqa: PLR2004 - every other one
    shift = draw.uniform(-strength.shift, strength.shift, (2, number)) * [[width], [height]]
    cosine, sine = np.cos(turn) * zoom, np.sin(turn) * zoom
    a, b, d, e = cosine * mirrored, -sine, sine * mirrored, cosine
    # About the middle of the picture, and not about its corner.
    x, y = (width - 1) / 2, (height - 1) / 2
    c, f = x - a * x - b * y + shift[0], y - d * x - e * y + shift[1]
    zeros = np.zeros(number)
    transforms: NDArray[np.float32] = np.stack([a, b, c, d, e, f, zeros, zeros], axis=1).astype(np.float32)
    return transforms

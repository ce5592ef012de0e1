"""Putting a thing on a table and photographing it: background, shadow, light, lens and sensor."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from binocular.sample.objects import CANVAS, MIDDLE, Rng

Pixels = NDArray[np.float32]


def photograph(thing: Image.Image, size: int, rng: Rng) -> bytes:
    """A JPEG of the thing, somewhere in the picture, at any angle, in some light."""
    scene = Image.fromarray(_background(size, rng).clip(0, 255).astype(np.uint8))
    placed = _place(thing, size, rng)
    alpha = placed.getchannel("A")
    shadow = Image.new("L", (size, size))
    offset = rng.uniform(-0.03, 0.05, 2) * size
    shadow.paste(alpha, (int(offset[0]), int(offset[1])))
    shadow = shadow.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.01, 0.04)))
    scene.paste((12, 12, 16), mask=shadow.point(lambda v: int(v * 0.5)))
    scene.paste(placed, mask=alpha)
    if rng.random() < 0.4:
        scene = scene.filter(ImageFilter.GaussianBlur(size / 160 * rng.uniform(0.2, 0.8)))
    pixels = np.asarray(scene, np.float32) * _light(size, rng)
    pixels += rng.normal(0, rng.uniform(1, 6), (size, size, 1)).astype(np.float32)
    file = io.BytesIO()
    quality = int(rng.integers(72, 94))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _place(thing: Image.Image, size: int, rng: Rng) -> Image.Image:
    """Turn, scale and move the thing, as one transformation."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.normal(0, 0.35)
    scale = CANVAS / size / rng.uniform(0.95, 1.25)
    squeeze = rng.uniform(0.85, 1.15)
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    x, y = size / 2 + rng.uniform(-0.12, 0.12, 2) * size
    matrix = (a, b, MIDDLE - a * x - b * y, -b * squeeze, a * squeeze, MIDDLE + (b * x - a * y) * squeeze)
    return thing.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def _background(size: int, rng: Rng) -> Pixels:
    """A table, a floor, boards or tiles, in any colour."""
    base = rng.uniform(75, 225) + rng.uniform(-28, 28, 3)
    rough = _noise(size, int(rng.integers(3, 12)), rng) * rng.uniform(4, 26)
    grain = _noise(size, size // 2, rng) * rng.uniform(0, 12)
    surface = base + (rough + grain)[..., None]
    kind = rng.random()
    if kind < 0.25:  # boards
        direction = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[:size, :size]
        along = (x * np.cos(direction) + y * np.sin(direction)) / size
        surface -= (np.sin(along * rng.uniform(20, 40)) > 0.93)[..., None] * rng.uniform(15, 50)
    elif kind < 0.4:  # tiles
        pitch = int(size * rng.uniform(0.22, 0.4))
        lines = np.arange(size) % pitch < max(1, size // 80)
        surface += (lines[:, None] | lines[None, :])[..., None] * rng.uniform(-50, 50)
    return surface.astype(np.float32)


def _light(size: int, rng: Rng) -> Pixels:
    """What the lamp, the white balance and the exposure multiply a pixel with."""
    direction = rng.uniform(0, 2 * np.pi)
    y, x = (np.mgrid[:size, :size] / size - 0.5).astype(np.float32)
    slope = 1 + rng.uniform(0, 0.5) * (x * np.cos(direction) + y * np.sin(direction))
    vignette = 1 - rng.uniform(0, 0.5) * (x * x + y * y)
    tint = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
    light: Pixels = ((slope * vignette)[..., None] * tint).astype(np.float32)
    return light


def _noise(size: int, cells: int, rng: Rng) -> Pixels:
    coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))

"""Photos as large as a phone's, for whoever measures what large photos cost.

    data = phone_photo("glass", number=0)     # a JPEG of 4,000 x 3,000 pixels, about 2 MB

A picture of the sample, enlarged, with the grain that makes a sensor's pixels expensive to decode.
"""

import io

import numpy as np
from PIL import Image

from binocular.sample.drawing import render

WIDTH, HEIGHT = 4000, 3000
DRAWN = 800
# The grain is drawn once for a tile of the picture.
TILES = 4
GRAIN = 4.0
QUALITY = 90


def phone_photo(label: str, number: int, seed: int = 0) -> bytes:
    """A JPEG of 12 megapixels that shows what `render` draws for the same label, number and seed."""
    scene = Image.open(io.BytesIO(render(label, number, DRAWN, seed)))
    pixels = np.asarray(scene.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.int16)
    tile = np.random.default_rng([seed, number]).normal(0, GRAIN, (HEIGHT // TILES, WIDTH // TILES, 1))
    pixels += np.tile(tile.astype(np.int16), (TILES, TILES, 1))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()

"""Decoding images of strangers in a process that has others to serve: large ones one after the other.

Decoded, a photo of 12 megapixels takes some 50 MB for a moment. A worker has about one core, so several at once
would not be done any sooner.
"""

import threading
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from binocular import imaging

LARGE_PIXELS = 4_000_000
_one_at_a_time = threading.Lock()


def decode(data: bytes, height: int, width: int, most_pixels: int) -> NDArray[np.uint8]:
    """What `imaging.decode` does, when there is room for it."""
    return imaging.decode(data, height, width, most_pixels, _room)


def _room(pixels: int) -> AbstractContextManager[object]:
    return _one_at_a_time if pixels > LARGE_PIXELS else nullcontext()

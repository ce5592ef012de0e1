"""The images of a snapshot as pixels, for whoever learns from them, judges by them or shows them.

It is not part of `snapshot.py`, which those import too who never look at a picture.
"""

import numpy as np
from numpy.typing import NDArray

from binocular.imaging import MOST_PIXELS, decode
from binocular.snapshot import Row


def decode_row(row: Row, data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """A row's image decoded to a size. Ingest has let it in, perhaps with a higher limit than the default."""
    return decode(data, height, width, max(MOST_PIXELS, row.width * row.height))

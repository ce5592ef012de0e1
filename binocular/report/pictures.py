"""Pictures inside a page: small JPEG files as data URLs, as many as the page has room for.

made = thumbnails(rows, folder, side=144)                       # {sha256: "data:image/jpeg;base64,…"}
shown = fitting(made, wanted, most_bytes=MOST_PICTURE_BYTES)     # the first of the wanted ones that fit
"""

import base64
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from binocular import snapshot
from binocular.pixels import decode_row
from binocular.snapshot import Row

# The Kubeflow UI wants pages below 2 MB; the pictures may have this much of it as text.
MOST_PICTURE_BYTES: Final = 1_400_000
QUALITY: Final = 68


def thumbnails(rows: Iterable[Row], folder: Path, side: int) -> dict[str, str]:
    """A thumbnail of each row's image by its digest, read from the packs of a snapshot's folder."""
    return {row.sha256: data_url(small(row, data, side)) for row, data in snapshot.images(folder, rows)}


def fitting(made: Mapping[str, str], wanted: Iterable[str], most_bytes: int) -> dict[str, str]:
    """Of the pictures that were made, as many of the wanted ones, in their order, as there is room for.

    One that is wanted twice is in the page twice.
    """
    room = most_bytes
    shown = {}
    for name, times in Counter(wanted).items():
        room -= len(made[name]) * times
        if room < 0:
            break
        shown[name] = made[name]
    return shown


def small(row: Row, data: bytes, most_side: int) -> Image.Image:
    """The picture in its own proportions, shrunk until its longer side is at most `most_side`."""
    shrink = min(1.0, most_side / max(row.width, row.height))
    height, width = max(1, round(row.height * shrink)), max(1, round(row.width * shrink))
    return Image.fromarray(decode_row(row, data, height, width))


def data_url(image: Image.Image) -> str:
    """The picture as text that a page can hold."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"

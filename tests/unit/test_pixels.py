"""What ingest has let in is decoded by everybody who comes after it."""

import io

import pytest
from PIL import Image

from binocular.errors import ImageTooLargeError
from binocular.imaging import decode
from binocular.pixels import decode_row
from binocular.snapshot import Place, Row

WIDTH, HEIGHT = 8000, 6300


def test_an_image_above_the_default_limit_that_ingest_took_is_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (WIDTH, HEIGHT), 1).save(file, "PNG")
    data = file.getvalue()
    row = Row("0" * 64, "a", "train", None, False, ("a",), 1, "PNG", WIDTH, HEIGHT, "0", "0", Place("0", 0, 1))  # noqa: FBT003

    with pytest.raises(ImageTooLargeError):
        decode(data, 8, 8)
    assert decode_row(row, data, 8, 8).shape == (8, 8, 3)

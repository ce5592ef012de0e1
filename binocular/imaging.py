"""Decoding, orienting and resizing images: the one preprocessing, in training and in the gateway alike.

    pixels = decode(data, height=160, width=160)     # uint8 [160, 160, 3], or ImageError
    facts = identify(data)                           # format and size from the header, pixels untouched

The format is told by content, never by name. Bytes come from strangers: nothing is decoded before its size is
known, and whatever a decoder trips over becomes an `ImageError` of one line.
"""

import contextlib
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from binocular.errors import ImageError, ImageTooLargeError

# Embeddings are kept by this number: raise it when the same bytes give other pixels.
VERSION = 1
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MOST_PIXELS = 50_000_000
# JPEG is decoded at a reduced size, by the decoder itself, down to this multiple of what is asked for:
# below it, aliasing would show.
JPEG_OVERSAMPLING = 2
SIXTEEN_BITS = 65_535
_ORIENTATION_TAG = 0x0112
# EXIF orientations that exchange width and height.
_TURNED = {5, 6, 7, 8}

# What waits until there is room for so many pixels, and keeps it for as long as its block.
Room = Callable[[int], AbstractContextManager[object]]


def always(_pixels: int) -> AbstractContextManager[object]:
    """Room for everything, now."""
    return contextlib.nullcontext()


@dataclass(frozen=True)
class ImageFacts:
    """What the header says; width and height as a person sees the picture, orientation applied."""

    format: str
    width: int
    height: int


def identify(data: bytes, most_pixels: int = MOST_PIXELS) -> ImageFacts:
    """Format and size, without decoding."""
    with _open(data, most_pixels) as image:
        width, height = image.size
        try:
            turned = image.getexif().get(_ORIENTATION_TAG) in _TURNED
        except Exception:  # noqa: BLE001 - damaged metadata says nothing about the picture
            turned = False
        if turned:
            width, height = height, width
        return ImageFacts(_format(image), width, height)


def decode(
    data: bytes, height: int, width: int, most_pixels: int = MOST_PIXELS, room: Room = always
) -> NDArray[np.uint8]:
    """The picture as RGB pixels [height, width, 3], upright, stretched to the size; the first frame of several.

    It is decoded when there is `room` for as many pixels as it has.
    """
    try:
        with _open(data, most_pixels) as image, room(image.width * image.height):
            side = JPEG_OVERSAMPLING * max(height, width)
            image.draft(None, (side, side))
            image.load()
            upright = _upright(image)
            flat = _rgb(upright)
            return np.asarray(flat.resize((width, height), Image.Resampling.BILINEAR))
    except (ImageError, ImageTooLargeError):
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise anything on what strangers send
        raise ImageError(f"the image is damaged: {_reason(error)}") from None


def _open(data: bytes, most_pixels: int) -> Image.Image:
    """The image with its header read and its size checked."""
    if not data:
        raise ImageError("the image is empty: 0 bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(f"not an image in one of the formats {', '.join(FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageTooLargeError(f"the image has more than {most_pixels} pixels; send a smaller one") from None
    except Exception as error:  # noqa: BLE001 - see decode
        raise ImageError(f"the image is damaged: {_reason(error)}") from None
    width, height = image.size
    if width * height > most_pixels:
        raise ImageTooLargeError(
            f"the image has {width} x {height} pixels, more than {most_pixels}; send a smaller one"
        )
    return image


def _format(image: Image.Image) -> str:
    # Pillow says MPO of a camera's JPEG with a preview or a second lens inside; its first picture is the photo.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _upright(image: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF data says; damaged metadata leaves it as it is."""
    with contextlib.suppress(Exception):  # the picture itself is good
        ImageOps.exif_transpose(image, in_place=True)  # a copy of a large photo would double its memory
    return image


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB: what is transparent shows white, 16 bits and floats become 8."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if "transparency" in image.info or image.mode in {"RGBA", "LA", "PA", "RGBa", "La"}:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Gray values of 16 bits, or of 0 to 1 in floats, as 8 bits."""
    if np.issubdtype(values.dtype, np.floating):
        finite = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0)
        scale = 255.0 if finite.max(initial=0.0) <= 1.0 else 1.0
        gray: NDArray[np.uint8] = np.clip(np.rint(finite * scale), 0, 255).astype(np.uint8)
        return gray
    table = np.rint(np.arange(SIXTEEN_BITS + 1) * (255.0 / SIXTEEN_BITS)).astype(np.uint8)
    scaled: NDArray[np.uint8] = table[np.clip(values, 0, SIXTEEN_BITS)]
    return scaled


def _reason(error: Exception) -> str:
    """The decoder's complaint as one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200]

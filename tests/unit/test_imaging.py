import contextlib
import io
import random
import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from binocular.errors import BinocularError, ImageError, ImageTooLargeError
from binocular.imaging import decode, identify


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """Red on the left, blue on the right, a green band on top."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    image.paste((30, 30, 200), (width // 2, 0, width, height))
    image.paste((30, 180, 30), (0, 0, width, height // 4))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


EXPECTED = np.asarray(picture().resize((30, 20), Image.Resampling.BILINEAR)).astype(int)


def assert_close(pixels: np.ndarray, tolerance: float = 6) -> None:
    assert pixels.shape == (20, 30, 3)
    assert pixels.dtype == np.uint8
    assert abs(pixels.astype(int) - EXPECTED).mean() < tolerance


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {}),
    ],
)
def test_every_format_is_read_by_content(kind: str, options: dict[str, object]) -> None:
    data = encoded(picture(), kind, **options)

    assert (identify(data).format, identify(data).width, identify(data).height) == (kind, 60, 40)
    assert_close(decode(data, 20, 30), 12)


@pytest.mark.parametrize(
    "convert",
    [
        lambda image: encoded(image.convert("CMYK"), "JPEG", quality=95),
        lambda image: encoded(image.convert("CMYK"), "TIFF"),
        lambda image: encoded(image.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
        lambda image: encoded(image.convert("RGBA"), "PNG"),
        lambda image: encoded(image, "JPEG", progressive=True, quality=95),
        lambda image: encoded(image.quantize(16), "GIF"),
    ],
    ids=["cmyk jpeg", "cmyk tiff", "palette", "alpha", "progressive", "gif"],
)
def test_every_mode_becomes_the_same_rgb(convert: Callable[[Image.Image], bytes]) -> None:
    assert_close(decode(convert(picture()), 20, 30), 14)


def test_sixteen_bit_gray_keeps_its_tones() -> None:
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(1, 256).repeat(4, 0)
    for kind in ("PNG", "TIFF"):
        pixels = decode(encoded(Image.fromarray(ramp), kind), 4, 256)
        assert abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1, kind


def test_float_tiff_and_gray_with_alpha_are_read() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 256).repeat(4, 0)
    assert (
        abs(decode(encoded(Image.fromarray(ramp), "TIFF"), 4, 256)[0, :, 0].astype(int) - np.arange(256)).max()
        <= 1
    )
    gray = encoded(picture().convert("LA"), "PNG")
    assert decode(gray, 20, 30).std(axis=2).max() == 0


def test_what_is_transparent_shows_white() -> None:
    clear = encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG")
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0])

    assert (decode(clear, 8, 8) == 255).all()
    assert (decode(encoded(palette, "PNG", transparency=0), 8, 8) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright_whatever_its_exif_says(orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = picture().transpose(undo[orientation]) if orientation in undo else picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, "JPEG", quality=95, exif=exif)

    assert (identify(data).width, identify(data).height) == (60, 40)
    assert_close(decode(data, 20, 30), 8)


def test_an_animation_is_its_first_frame() -> None:
    frames = [picture(), Image.new("RGB", (60, 40), (0, 0, 0))]
    for kind in ("GIF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        assert_close(decode(data, 20, 30), 14)


def test_a_large_photo_looks_like_a_small_one() -> None:
    small = decode(encoded(picture(480, 320), "PNG"), 20, 30).astype(int)
    large = decode(encoded(picture(4800, 3200), "JPEG", quality=90), 20, 30).astype(int)

    assert abs(small - large).max() < 40
    assert abs(small - large).mean() < 4


def test_a_large_photo_costs_a_fraction_of_decoding_it_whole() -> None:
    noise = Image.effect_noise((1000, 750), 60).convert("RGB").resize((4000, 3000))
    data = encoded(noise, "JPEG", quality=85)

    def seconds(action: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            action()
            times.append(time.perf_counter() - started)
        return min(times)

    whole = seconds(lambda: np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((160, 160))))
    assert seconds(lambda: decode(data, 160, 160)) < whole / 1.5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"This is a text file.\n", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%PDF-1.4", "not an image"),
        (b"\xff\xd8\xff", "not an image"),
        (encoded(picture(), "JPEG")[:500], "damaged"),
        (encoded(picture(), "PNG")[:60], "damaged"),
        (encoded(picture(), "WEBP")[:40], "damaged"),
    ],
)
def test_what_is_no_image_is_one_line(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        decode(data, 20, 30)
    assert "\n" not in str(caught.value)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [7_100, 10_000, 20_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    for action in (
        lambda: decode(png_that_claims(side, side), 20, 30),
        lambda: identify(png_that_claims(side, side)),
    ):
        started = time.perf_counter()
        with pytest.raises(ImageTooLargeError, match="smaller"):
            action()
        assert time.perf_counter() - started < 0.5


def test_damaged_bytes_of_every_format_are_pixels_or_one_of_our_errors() -> None:
    rng = random.Random(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    originals = [encoded(picture(), kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")]
    originals += [encoded(picture(), "JPEG", exif=exif), encoded(picture().convert("CMYK"), "TIFF")]
    outcomes = set()
    for original in originals:
        for _ in range(150):
            data = bytearray(original)
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            if rng.random() < 0.3:
                del data[rng.randrange(len(data)) :]
            outcomes.add(outcome(bytes(data)))
            with contextlib.suppress(BinocularError):
                identify(bytes(data))
    assert outcomes >= {"pixels", "ImageError"}


def outcome(data: bytes) -> str:
    """What decoding ends in; anything but pixels or an error of ours fails the test."""
    try:
        pixels = decode(data, 20, 30)
    except BinocularError as error:
        return type(error).__name__
    return "pixels" if pixels.shape == (20, 30, 3) else "wrong shape"

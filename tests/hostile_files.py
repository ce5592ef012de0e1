"""Files of somebody who means harm: images, forms and archives that are broken, lie, grow, or lead out.

Made by a seed, so that they are the same every time.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
CUTS = (1, 4, 12, 30, 100, 300)
FLIPS = 8
BOUNDARY = "x"


def picture(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    """An image that is in order."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, kind, **options)
    return out.getvalue()


def images() -> Iterator[tuple[str, bytes]]:
    """Broken and lying images of each format, bombs, and files that are two things at once."""
    chance = random.Random(0)
    for kind in FORMATS:
        good = picture(kind)
        for cut in CUTS:
            yield f"{kind} cut at {cut}", good[:cut]
        yield f"{kind} without its end", good[:-2]
        for n in range(FLIPS):
            damaged = bytearray(good)
            for _ in range(4):
                damaged[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
            yield f"{kind} with bits turned {n}", bytes(damaged)
        yield f"{kind} behind a page", b"%PDF-1.7\n<script>" + good
        yield f"{kind} before an archive", good + zipped({"a": b"b"})
        yield f"{kind} before a megabyte of nothing", good + bytes(1_000_000)
    yield from _lies()
    yield from _bombs()
    yield from {
        "nothing": b"",
        "text": b"hello",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "icon": b"\0\0\1\0\1\0" + bytes(60),
        "psd": b"8BPS\0\1" + bytes(60),
        "script": b"GIF89a/*" + bytes(20) + b"*/=alert(1)",
        "zeros": bytes(10_000),
        "elf": b"\x7fELF" + bytes(500),
        "mpo": b"\xff\xd8\xff\xe2\0\x10MPF\0II*\0\xff\xff\xff\x7f" + picture("JPEG")[2:],
        "fli": b"\0\0\0\0\x11\xaf" + bytes(200),
    }.items()


def _lies() -> Iterator[tuple[str, bytes]]:
    """Sizes in headers that are not so."""
    for width, height in ((0, 0), (0, 7), (1, 1), (65_535, 65_535), (2**31 - 1, 2), (2**32 - 1, 2**32 - 1)):
        png = bytearray(picture("PNG"))
        png[16:24] = struct.pack(">II", width, height)
        png[29:33] = struct.pack(">I", zlib.crc32(bytes(png[12:29])))
        yield f"PNG says {width} x {height}", bytes(png)
        bmp = bytearray(picture("BMP"))
        bmp[18:26] = struct.pack("<II", width, height)
        yield f"BMP says {width} x {height}", bytes(bmp)
        gif = bytearray(picture("GIF"))
        gif[6:10] = struct.pack("<HH", width & 0xFFFF, height & 0xFFFF)
        yield f"GIF says {width} x {height}", bytes(gif)
        jpeg = bytearray(picture("JPEG"))
        at = jpeg.index(b"\xff\xc0") + 5
        jpeg[at : at + 4] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
        yield f"JPEG says {width} x {height}", bytes(jpeg)
    for tag in (256, 257, 258, 259, 273, 277, 279):
        tiff = bytearray(picture("TIFF"))
        at = (
            tiff.find(struct.pack("<HH", tag, 3))
            if struct.pack("<HH", tag, 3) in tiff
            else tiff.find(struct.pack("<HH", tag, 4))
        )
        if at >= 0:
            tiff[at + 8 : at + 12] = b"\xff\xff\xff\x7f"
            yield f"TIFF lies in tag {tag}", bytes(tiff)


def _bombs() -> Iterator[tuple[str, bytes]]:
    """Little that becomes much."""
    yield "49 megapixels of nothing", _plain("PNG", (7000, 7000), "L")
    yield "49 megapixels of 16 bits", _plain("PNG", (7000, 7000), "I;16")
    yield "51 megapixels", _plain("PNG", (7200, 7100), "1")
    yield "a TIFF of 49 megapixels", _plain("TIFF", (7000, 7000), "1", compression="group4")
    yield "a progressive JPEG of 36 megapixels", _plain("JPEG", (6000, 6000), "L", progressive=True)
    frames = [Image.new("L", (600, 600), n % 256) for n in range(300)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    yield "300 frames", out.getvalue()
    told = PngImagePlugin.PngInfo()
    told.add_text("a", "b" * 20_000_000, zip=True)
    yield "20 MB of text in a PNG", picture("PNG", pnginfo=told)
    yield "a profile of 5 MB", picture("PNG", icc_profile=bytes(5_000_000))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 60_000
    yield "much EXIF", picture("JPEG", exif=exif)


def _plain(kind: str, size: tuple[int, int], mode: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """A form in order."""
    body = b""
    for name, filename, data in parts:
        called = f'; filename="{filename}"' if filename is not None else ""
        body += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{called}\r\n\r\n'.encode()
            + data
            + b"\r\n"
        )
    return body + f"--{BOUNDARY}--\r\n".encode()


def forms() -> Iterator[tuple[str, bytes]]:
    """Forms that are none, or too many."""
    png, head = picture("PNG"), b"--x\r\nContent-Disposition: form-data; "
    yield from {
        "empty": b"",
        "only an end": b"--x--\r\n",
        "no end": form(("file", "a", png))[:-8],
        "cut in a header": b"--x\r\nContent-Dis",
        "cut in a file": form(("file", "a", png))[:200],
        "another boundary": form(("file", "a", png)).replace(b"--x", b"--y"),
        "no name": head + b'filename="a"\r\n\r\nb\r\n--x--\r\n',
        "no disposition": b"--x\r\n\r\nb\r\n--x--\r\n",
        "two dispositions": head
        + b'name="file"\r\nContent-Disposition: form-data; name="label"\r\n\r\nb\r\n--x--\r\n',
        "1200 files": form(*[("files", f"{n}", b"x") for n in range(1200)]),
        "1200 fields": form(*[("label", None, b"x") for n in range(1200)]),
        "a field of 2 MB": form(("label", None, b"a" * 2_000_000), ("files", "a", png)),
        "a way out": form(("files", "../../../../etc/passwd", png), ("label", None, b"glass")),
        "nothing in the name": form(("files", "a\0b.png", png), ("label", None, b"glass")),
        "a long name": form(("files", "a" * 100_000, png), ("label", None, b"glass")),
        "a long header": b"--x\r\nX: " + b"a" * 200_000 + b"\r\n\r\nb\r\n--x--\r\n",
        "many headers": b"--x\r\n" + b"a: b\r\n" * 10_000 + b"\r\nb\r\n--x--\r\n",
        "a form in the form": head
        + b'name="file"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nb\r\n--y--\r\n--x--\r\n',
        "an encoding": head
        + b'name="file"; filename="a"\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n--x--\r\n',
        "a charset": head + b'name="label"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+ADw-\r\n--x--\r\n',
        "a coded name": head + b"name=\"files\"; filename*=utf-16''%00%41\r\n\r\nb\r\n--x--\r\n",
        "line feeds": form(("file", "a", png)).replace(b"\r\n", b"\n"),
        "bytes in front": b"\0" * 5000 + form(("file", "a", png)),
    }.items()


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive in order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def archives() -> Iterator[tuple[str, bytes]]:
    """Archives that lead out, grow, or lie."""
    png = picture("PNG")
    good = zipped({"glass/a.png": png})
    link = zipfile.ZipInfo("glass/a.png")
    link.external_attr = 0o120777 << 16
    linked = io.BytesIO()
    with zipfile.ZipFile(linked, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    ends = good.rindex(b"PK\5\6")
    central = good.index(b"PK\1\2")
    yield from {
        "with a way out": zipped({"../glass/a.png": png}),
        "from the root": zipped({"/glass/a.png": png}),
        "of another system": zipped({"..\\glass\\a.png": png}),
        "of a drive": zipped({"C:/glass/a.png": png}),
        "with a link": linked.getvalue(),
        "with a bomb": zipped({"glass/a.png": bytes(19_000_000)}),
        "with an archive": zipped({"glass/a.zip": zipped({"b.zip": good})}),
        "with 12,000 members": zipped({f"glass/{n}.png": b"x" for n in range(12_000)}, zipfile.ZIP_STORED),
        "with a name of nothing": zipped({"glass/a\0.png": png}),
        "with a long name": zipped({"glass/" + "a" * 60_000: png}),
        "with odd letters": zipped({"glass/\u202egnp.a\ufeff.png": png}),
        "with deep folders": zipped({"a/" * 5000 + "a.png": png}),
        "with one name twice": good[:central] + good[central:ends] * 2 + good[ends:],
        "that is locked": good[:6] + b"\1" + good[7 : central + 8] + b"\1" + good[central + 9 :],
        "with a wrong sum": good[:14] + b"abcd" + good[18 : central + 16] + b"abcd" + good[central + 20 :],
        "with a lie about sizes": good[: central + 24] + b"\xff\xff\xff\x7f" + good[central + 28 :],
        "with a lie about places": good[: central + 42] + b"\xff\xff\xff\x7f" + good[central + 46 :],
        "with a lie about counts": good[: ends + 8] + b"\xff\xff\xff\xff" + good[ends + 12 :],
        "of no kind we know": good[:8] + b"\x63\0" + good[10 : central + 10] + b"\x63\0" + good[central + 12 :],
        "without its end": good[:ends],
        "of an end alone": good[ends:],
        "behind another file": b"\x7fELF" + bytes(1000) + good,
        "of zeros": b"PK\3\4" + bytes(5000),
    }.items()

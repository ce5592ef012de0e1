"""The six things on the sample's photos, each drawn upright and centred on a transparent canvas.

What tells one from another is how it is made (flutes, print, gloss, transparency), not its colour: every
class takes its colours from ranges that overlap with the others'.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Rng = np.random.Generator
Points = list[tuple[float, float]]
Colour = tuple[int, int, int]
Pixels = NDArray[np.float32]

CANVAS = 256
MIDDLE = CANVAS / 2


def cardboard(rng: Rng) -> Image.Image:
    """A box or a torn piece of it: straight flutes all over, a fold, sometimes tape."""
    w, h = rng.uniform(60, 105, 2)
    outline = _wobble(rng, _corners(w, h), 12)
    across = np.arange(CANVAS) / rng.uniform(6.5, 9)
    flutes = np.where((across % 1) < rng.uniform(0.4, 0.6), 1.0, rng.uniform(0.72, 0.8))
    surface = _tinted(_earthy(rng), np.tile(flutes, (CANVAS, 1)) * _patchy(rng, 0.12))
    image = Image.fromarray(surface)
    draw = ImageDraw.Draw(image, "RGBA")
    fold = MIDDLE + rng.uniform(-0.5, 0.5) * h
    draw.rectangle((0, fold, CANVAS, CANVAS), fill=(0, 0, 0, int(rng.integers(30, 70))))
    if rng.random() < 0.5:
        tape = MIDDLE + rng.uniform(-0.4, 0.4) * w
        draw.rectangle((tape - 10, 0, tape + 10, CANVAS), fill=(225, 205, 160, 130))
    return _cut(image, _polygon(outline))


def glass(rng: Rng) -> Image.Image:
    """A bottle or jar that one sees through: dark rim, thin bright streaks along it."""
    outline = _bottle(rng, neck=rng.uniform(0.3, 0.95))
    mask = _polygon(outline)
    tint = _any_colour(rng, saturation=rng.uniform(0.1, 0.6))
    image = Image.new("RGB", mask.size, tint)
    body = mask.point(lambda v: int(v * 0.4))
    inner = mask.filter(ImageFilter.MinFilter(9)).filter(ImageFilter.GaussianBlur(3))
    rim = ImageChops.subtract(mask, inner)
    image.paste(tuple(int(c * 0.35) for c in tint), mask=rim)
    alpha = ImageChops.lighter(body, rim.point(lambda v: int(v * 0.85)))
    streaks = Image.new("L", mask.size)
    draw = ImageDraw.Draw(streaks)
    left, right = _span(outline)
    for place in rng.uniform(0.12, 0.88, rng.integers(2, 5)):
        x = left + place * (right - left)
        top = rng.uniform(50, 110)
        draw.line((x, top, x, top + rng.uniform(50, 110)), fill=255, width=int(rng.integers(3, 7)))
    streaks = ImageChops.multiply(streaks.filter(ImageFilter.GaussianBlur(1.2)), inner)
    image.paste((255, 255, 255), mask=streaks)
    image.putalpha(ImageChops.lighter(alpha, streaks))
    return image


def metal(rng: Rng) -> Image.Image:
    """A can or tin, whole or dented: bands of mirrored light along it, rings at its ends."""
    w, h = rng.uniform(42, 70), rng.uniform(55, 100)
    x = (np.arange(CANVAS) - MIDDLE) / w
    bands = sum(rng.uniform(0.15, 0.3) * np.sin(x * rng.uniform(5, 11) + rng.uniform(0, 6.3)) for _ in range(3))
    profile = np.clip(0.62 + bands, 0.12, 1.35) * np.sqrt(np.clip(1 - (x * 0.9) ** 2, 0.05, 1))
    dent = np.sin(np.arange(CANVAS)[:, None] / rng.uniform(12, 30)) * rng.uniform(0, 7)
    columns = np.clip(np.arange(CANVAS)[None, :] + dent, 0, CANVAS - 1).astype(int)
    image = Image.fromarray(_tinted(_any_colour(rng, saturation=rng.uniform(0, 0.45)), profile[columns] * 1.15))
    draw = ImageDraw.Draw(image, "RGBA")
    top, bottom = MIDDLE - h, MIDDLE + h
    for y in (top + 9, top + 15, bottom - 15, bottom - 9):
        draw.arc((MIDDLE - w, y - 7, MIDDLE + w, y + 7), 0, 180, fill=(20, 20, 25, 190), width=3)
    lid = (MIDDLE - w, top - 12, MIDDLE + w, top + 12)
    grey = int(rng.integers(150, 215))
    draw.ellipse(lid, fill=(grey, grey, grey + 8, 255), outline=(245, 245, 250, 255), width=4)
    mask = _polygon(_corners(w, h))
    ends = ImageDraw.Draw(mask)
    ends.ellipse(lid, fill=255)
    ends.ellipse((MIDDLE - w, bottom - 12, MIDDLE + w, bottom + 12), fill=255)
    return _cut(image, mask)


def paper(rng: Rng) -> Image.Image:
    """A sheet, flat or crumpled: lines of print, sharp creases."""
    w, h = rng.uniform(55, 95), rng.uniform(70, 105)
    outline = _wobble(rng, _corners(w, h), 10)
    facets = Image.new("L", (CANVAS, CANVAS), 255)
    draw = ImageDraw.Draw(facets)
    for _ in range(int(rng.integers(4, 9))):
        corners = [tuple(point) for point in rng.uniform(0, CANVAS, (3, 2))]
        draw.polygon(corners, fill=int(rng.integers(195, 255)))
    shade = np.asarray(facets, np.float32) / 255
    image = Image.fromarray(_tinted(_pale(rng), shade))
    draw = ImageDraw.Draw(image)
    ink = _any_colour(rng, saturation=0.4, value=0.25)
    pitch = rng.uniform(10, 14)
    for y in np.arange(MIDDLE - h + 14, MIDDLE + h - 10, pitch):
        if rng.random() < 0.12:
            continue
        x = MIDDLE - w + 12
        while x < MIDDLE + w * rng.uniform(0.6, 1) - 12:
            word = rng.uniform(7, 24)
            draw.rectangle((x, y, x + word, y + pitch * 0.36), fill=ink)
            x += word + 5
    return _cut(image, _polygon(outline))


def plastic(rng: Rng) -> Image.Image:
    """A bottle or tub: one even colour with a single soft light on it, wide ribs, a cap of another colour."""
    outline = _bottle(rng, neck=rng.uniform(0.25, 0.8))
    x, y = np.meshgrid(np.arange(CANVAS), np.arange(CANVAS))
    light = rng.uniform(-25, 25)
    soft = 0.72 + 0.4 * np.exp(-(((x - MIDDLE - light) / rng.uniform(22, 36)) ** 2))
    ribs = 1 + 0.13 * np.sign(np.sin(y / rng.uniform(3.4, 4.6))) * ((y > 120) & (y < rng.uniform(180, 215)))
    image = Image.fromarray(_tinted(_any_colour(rng, saturation=rng.uniform(0.35, 0.95)), soft * ribs))
    mask = _polygon(outline)
    cap = min(p[1] for p in outline)
    half = rng.uniform(17, 26)
    box = (MIDDLE - half, cap - 12, MIDDLE + half, cap + 13)
    ImageDraw.Draw(image).rounded_rectangle(box, 4, fill=_any_colour(rng, saturation=0.8))
    ImageDraw.Draw(mask).rounded_rectangle(box, 4, fill=255)
    return _cut(image, mask)


def trash(rng: Rng) -> Image.Image:
    """A heap of scraps: ragged outlines, many colours, no order."""
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    for _ in range(int(rng.integers(7, 13))):
        middle = rng.normal(MIDDLE, 30, 2)
        radius = rng.uniform(16, 46)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 13))
        reach = radius * rng.uniform(0.45, 1.2, 13)
        scrap = [
            (middle[0] + r * np.cos(a), middle[1] + r * np.sin(a)) for a, r in zip(angles, reach, strict=True)
        ]
        colour = _any_colour(rng, saturation=rng.uniform(0, 0.8))
        surface = _tinted(colour, _patchy(rng, 0.45))
        canvas.paste(Image.fromarray(surface), mask=_polygon(scrap))
    return canvas


DRAWERS: dict[str, Callable[[Rng], Image.Image]] = {
    "cardboard": cardboard,
    "glass": glass,
    "metal": metal,
    "paper": paper,
    "plastic": plastic,
    "trash": trash,
}


def _any_colour(rng: Rng, saturation: float, value: float | None = None) -> Colour:
    """A colour of any hue."""
    hue = rng.uniform(0, 6)
    bright = 255 * (rng.uniform(0.45, 0.95) if value is None else value)
    channels = [bright * (1 - saturation * min(1, max(0, abs((hue - 2 * k) % 6 - 3) - 1))) for k in range(3)]
    return int(channels[0]), int(channels[1]), int(channels[2])


def _earthy(rng: Rng) -> Colour:
    """Brown for two boxes in three; the third is bleached or printed."""
    if rng.random() < 0.34:
        return _any_colour(rng, saturation=rng.uniform(0, 0.4))
    bright = rng.uniform(0.55, 0.95)
    return int(215 * bright), int(rng.uniform(160, 180) * bright), int(rng.uniform(100, 135) * bright)


def _pale(rng: Rng) -> Colour:
    """White, cream or pastel, and sometimes wrapping paper of any colour."""
    return _any_colour(
        rng, saturation=rng.uniform(0, 0.25 if rng.random() < 0.7 else 0.6), value=rng.uniform(0.75, 1)
    )


def _tinted(colour: Colour, shade: NDArray[np.floating]) -> NDArray[np.uint8]:
    tinted: NDArray[np.uint8] = np.clip(shade[..., None] * np.array(colour), 0, 255).astype(np.uint8)
    return tinted


def _patchy(rng: Rng, depth: float) -> Pixels:
    """Uneven light: 1 ± depth, in patches of a few pixels."""
    coarse = rng.uniform(1 - depth, 1 + depth, (20, 20)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC))


def _corners(w: float, h: float) -> Points:
    return [
        (MIDDLE - w, MIDDLE - h),
        (MIDDLE + w, MIDDLE - h),
        (MIDDLE + w, MIDDLE + h),
        (MIDDLE - w, MIDDLE + h),
    ]


def _wobble(rng: Rng, points: Points, reach: float) -> Points:
    return [(x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach)) for x, y in points]


def _bottle(rng: Rng, neck: float) -> Points:
    """The outline of a bottle; `neck` is its width as a part of the body's."""
    w, h = rng.uniform(32, 56), rng.uniform(75, 105)
    shoulder = rng.uniform(-0.55, -0.1) * h
    right = [(w * neck, -h), (w * neck, shoulder - 16), (w, shoulder + 14), (w, h - 8), (w - 8, h)]
    return [(MIDDLE + x, MIDDLE + y) for x, y in right] + [(MIDDLE - x, MIDDLE + y) for x, y in reversed(right)]


def _span(points: Points) -> tuple[float, float]:
    return min(p[0] for p in points), max(p[0] for p in points)


def _polygon(points: Points) -> Image.Image:
    mask = Image.new("L", (CANVAS, CANVAS))
    ImageDraw.Draw(mask).polygon(points, fill=255)
    return mask


def _cut(image: Image.Image, mask: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(mask)
    return image

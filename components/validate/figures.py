"""The page's figures as plain values: bars of classes and histograms, ready for a template to draw as SVG."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binocular.report.words import counted, percent
from binocular.snapshot import SPLITS, Row
from components.validate.report import Report

# Of more classes, the largest and the smallest are drawn.
MOST_LARGE_CLASSES, MOST_SMALL_CLASSES = 40, 20
# Every histogram is drawn on a canvas of this size.
WIDTH, HEIGHT = 480.0, 150.0
BINS = 24
MOST_TICKS = 7
# Shapes beyond this are drawn at the edge.
WIDEST = 4.0
_SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_SHAPES = (
    (1 / 3, "1:3"),
    (1 / 2, "1:2"),
    (3 / 4, "3:4"),
    (1.0, "1:1"),
    (4 / 3, "4:3"),
    (2.0, "2:1"),
    (3.0, "3:1"),
)


@dataclass(frozen=True)
class Part:
    """A rectangle, and what it says when pointed at."""

    kind: str
    x: float
    width: float
    y: float
    height: float
    says: str


@dataclass(frozen=True)
class ClassBar:
    """A class: how many images each side uses, how many are left out, and the bar of them."""

    label: str
    numbers: dict[str, int]
    left_out: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Histogram:
    """Bars over an axis, and one sentence about them."""

    title: str
    says: str
    bars: tuple[Part, ...]
    ticks: tuple[tuple[float, str], ...]  # (place, text)
    tallest: str  # how many images the tallest bar stands for


def class_bars(report: Report) -> tuple[list[ClassBar], int]:
    """The bars of the classes, largest first, and how many classes in the middle are not drawn."""
    totals = {label: sum(report.counts[split][label] for split in SPLITS) for label in report.counts["train"]}
    ordered = sorted(totals, key=lambda label: (-totals[label], label))
    hidden = max(0, len(ordered) - MOST_LARGE_CLASSES - MOST_SMALL_CLASSES)
    if hidden:
        ordered = ordered[:MOST_LARGE_CLASSES] + ordered[-MOST_SMALL_CLASSES:]
    longest = max(totals.values(), default=1)
    return [_class_bar(report, label, totals[label], longest) for label in ordered], hidden


def _class_bar(report: Report, label: str, total: int, longest: int) -> ClassBar:
    numbers = {str(split): report.used[split][label] for split in SPLITS}
    left_out = total - sum(numbers.values())
    parts, x = [], 0.0
    for kind, number in [*numbers.items(), ("left-out", left_out)]:
        width = 100 * number / longest
        if number:
            parts.append(Part(kind, x, width, 0, 1, f"{label}: {number:,} {kind.replace('-', ' ')}"))
        x += width
    return ClassBar(label, numbers, left_out, tuple(parts))


def sizes(rows: Sequence[Row]) -> Histogram:
    """How large the images are: the longer side, each axis step doubling it."""
    longer = np.array([max(row.width, row.height) for row in rows], dtype=np.float64)
    (width, height), most = Counter((row.width, row.height) for row in rows).most_common(1)[0]
    says = (
        f"{counted(most, 'image')} ({percent(most / len(rows))}) of {width} x {height}; "
        f"from {longer.min():.0f} to {longer.max():.0f} pixels along the longer side"
    )
    ticks = [(float(size), str(size)) for size in _SIZES]
    return _histogram("Longer side, pixels", says, longer, ticks)


def shapes(rows: Sequence[Row]) -> Histogram:
    """What shape the images have: width to height."""
    ratio = np.array([row.width / row.height for row in rows], dtype=np.float64)
    wide, tall = int((ratio > 1).sum()), int((ratio < 1).sum())
    says = f"{wide:,} wider than tall, {tall:,} taller than wide, {len(rows) - wide - tall:,} square"
    return _histogram("Width : height", says, np.clip(ratio, 1 / WIDEST, WIDEST), list(_SHAPES))


def _histogram(title: str, says: str, values: NDArray[np.float64], ticks: list[tuple[float, str]]) -> Histogram:
    """Bars on a logarithmic axis that reaches a little past the smallest and the largest value."""
    logs = np.log2(values)
    low, high = float(logs.min()) - 1, float(logs.max()) + 1
    counts, edges = np.histogram(logs, bins=BINS, range=(low, high))
    tallest = max(1, int(counts.max()))
    step = WIDTH / BINS
    bars = tuple(
        Part(
            "bar",
            x=index * step + 1,
            width=step - 2,
            y=HEIGHT * (1 - number / tallest),
            height=HEIGHT * number / tallest,
            says=f"{2 ** edges[index]:.3g} to {2 ** edges[index + 1]:.3g}: {counted(int(number), 'image')}",
        )
        for index, number in enumerate(counts)
        if number
    )
    placed = [(WIDTH * (np.log2(value) - low) / (high - low), text) for value, text in ticks]
    inside = [(float(x), text) for x, text in placed if 0 <= x <= WIDTH]
    return Histogram(title, says, bars, tuple(inside[:: -(-len(inside) // MOST_TICKS) or 1]), f"{tallest:,}")

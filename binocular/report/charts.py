"""Line charts as plain values: where every line, tick and dot lies, for the macro `line_chart` to draw as SVG.

    loss = Line("training", ((1, 0.9), (2, 0.5), (3, 0.4)))
    chart = line_chart("Loss", "lowest after epoch 3", [loss], Axis("epoch", whole=True), Axis("loss", low=0))

    {% from "report/figures.html.j2" import line_chart %}
    <section class="charts">{{ line_chart(chart) }}</section>

A point that is not finite lifts the pen. An axis covers what it is told to, and every point beyond.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Point = tuple[float, float]
Tone = Literal["first", "second", "third", "faint"]

# Every chart is drawn on a canvas of this size; between its margins lies the plot.
WIDTH: Final = 380.0
HEIGHT: Final = 250.0
LEFT: Final = 42.0
RIGHT: Final = 12.0
TOP: Final = 12.0
BOTTOM: Final = 40.0
MOST_TICKS: Final = 6
# Steps between ticks that people count in.
_ROUND_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Line:
    """A series of points under one name."""

    name: str
    points: tuple[Point, ...]
    tone: Tone = "first"
    dashed: bool = False
    dots: tuple[str, ...] = ()  # what each point says when it is pointed at; without, only the line is drawn


@dataclass(frozen=True)
class Axis:
    """What an axis measures, and the least it covers."""

    title: str
    low: float | None = None
    high: float | None = None
    whole: bool = False  # ticks at whole numbers only


@dataclass(frozen=True)
class Dot:
    """A point that says something."""

    x: float
    y: float
    says: str


@dataclass(frozen=True)
class Curve:
    """A line as it is drawn."""

    name: str
    tone: Tone
    dashed: bool
    path: str  # SVG
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Tick:
    """A place on an axis and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class LineChart:
    """Lines over two axes, and one sentence about them."""

    title: str
    says: str
    curves: tuple[Curve, ...]
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]  # upright lines with a word beside them
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class _Scale:
    """From values to places on the canvas."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)


def line_chart(
    title: str,
    says: str,
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    marks: Iterable[tuple[float, str]] = (),
) -> LineChart:
    """The chart of these lines; `marks` are places on the x axis where something happened, and what."""
    points = [point for line in lines for point in line.points if _finite(point)]
    across = _scale(x, [point[0] for point in points], LEFT, WIDTH - RIGHT)
    up = _scale(y, [point[1] for point in points], HEIGHT - BOTTOM, TOP)
    return LineChart(
        title,
        says,
        tuple(_curve(line, across, up) for line in lines),
        x.title,
        y.title,
        tuple(_ticks(x, across)),
        tuple(_ticks(y, up)),
        tuple(Tick(across(at), text) for at, text in marks if across.low <= at <= across.high),
    )


def _finite(point: Point) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _scale(axis: Axis, values: Sequence[float], start: float, end: float) -> _Scale:
    bounds = [*values, *(bound for bound in (axis.low, axis.high) if bound is not None)] or [0.0, 1.0]
    low, high = min(bounds), max(bounds)
    if high == low:
        room = max(0.5, abs(low) / 10)  # half of one is nothing beside a loss that has run away
        low, high = low - room, high + room
    return _Scale(low, high, start, end)


def _curve(line: Line, across: _Scale, up: _Scale) -> Curve:
    steps, pen = [], "M"
    for point in line.points:
        if not _finite(point):
            pen = "M"
            continue
        steps.append(f"{pen}{across(point[0]):.1f} {up(point[1]):.1f}")
        pen = "L"
    dots = tuple(
        Dot(across(point[0]), up(point[1]), says)
        for point, says in zip(line.points, line.dots, strict=False)
        if _finite(point)
    )
    return Curve(line.name, line.tone, line.dashed, "".join(steps), dots)


def _ticks(axis: Axis, scale: _Scale) -> Iterator[Tick]:
    step = _step((scale.high - scale.low) / (MOST_TICKS - 1), whole=axis.whole)
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    for number in range(first, last + 1):
        yield Tick(scale(number * step), f"{number * step:,.{digits}f}")


def _step(least: float, *, whole: bool) -> float:
    """The smallest step people count in that is not below `least`."""
    ten = 10.0 ** math.floor(math.log10(least))
    step = next((ten * each for each in _ROUND_STEPS if ten * each >= least * (1 - 1e-9)), ten * 10)
    return max(1.0, step) if whole else step

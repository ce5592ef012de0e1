"""The page of a run: people, requests, latency and memory over time, in one file that asks nobody for anything."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from binocular.report.charts import Axis, Line, LineChart, Point, Tone, line_chart
from binocular.report.pages import render
from memory import Memory
from profiles import Profile
from record import Asked, Kind, Record, prediction_times, quantile
from verdict import P95

TEMPLATE = "page.html.j2"
# As many points as a chart can show.
POINTS = 120
SECOND = Axis("second", low=0)
TONES: tuple[Tone, ...] = ("first", "second", "third", "faint")


def render_page(
    profile: Profile, record: Record, memory: Memory, facts: Sequence[str], failures: Sequence[str]
) -> str:
    """The page as text."""
    return render(
        Path(__file__).parent,
        TEMPLATE,
        profile=profile,
        facts=facts,
        failures=failures,
        charts=_charts(record, memory),
    )


def _charts(record: Record, memory: Memory) -> list[LineChart]:
    width = max(1.0, record.now() / POINTS)
    slots: dict[int, list[Asked]] = defaultdict(list)
    for each in record.asked:
        slots[int(each.at / width)].append(each)

    def line(name: str, value: Callable[[list[Asked]], float], tone: int) -> Line:
        # The last slot is cut short by the end.
        places = range(max(slots, default=0))
        return Line(
            name, tuple(((slot + 0.5) * width, value(slots.get(slot, []))) for slot in places), TONES[tone]
        )

    def rate(kind: Kind) -> Callable[[list[Asked]], float]:
        return lambda asked: sum(each.kind == kind for each in asked) / width

    def latency(part: float) -> Callable[[list[Asked]], float]:
        return lambda asked: quantile(prediction_times(asked), part)

    most = f"{max((count for _, count in record.users), default=0):,} at most"
    charts = [
        line_chart(
            "People",
            most,
            [Line("people", _thinned(record.users, width))],
            SECOND,
            Axis("people", low=0, whole=True),
        ),
        line_chart(
            "Requests a second",
            "",
            [
                line("answered", rate("answered"), 0),
                line("turned away", rate("turned away"), 1),
                line("failed", rate("failed"), 2),
            ],
            SECOND,
            Axis("requests a second", low=0),
        ),
        line_chart(
            "Accepted predictions",
            "",
            [line("median", latency(0.5), 0), line("95 % are faster", latency(P95), 1)],
            SECOND,
            Axis("milliseconds", low=0),
        ),
    ]
    if memory.parts:
        lines = [
            Line(part, _thinned(readings, width), TONES[number % len(TONES)])
            for number, (part, readings) in enumerate(memory.parts.items())
        ]
        charts.append(line_chart("Memory", "all processes of a part", lines, SECOND, Axis("MB", low=0)))
    return charts


def _thinned(points: Iterable[tuple[float, float]], width: float) -> tuple[Point, ...]:
    """One point a slot."""
    slots: dict[int, list[float]] = defaultdict(list)
    for at, value in points:
        slots[int(at / width)].append(value)
    return tuple(((slot + 0.5) * width, statistics.mean(values)) for slot, values in sorted(slots.items()))

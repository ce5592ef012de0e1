import math
import re
from pathlib import Path

import pytest

from binocular.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Line, line_chart
from binocular.report.pages import render

PAGE = (
    '{% extends "report/base.html.j2" %}{% from "report/figures.html.j2" import line_chart %}'
    "{% block main %}{{ line_chart(chart) }}{% endblock %}"
)
FALLING = ((1.0, 0.9), (2.0, 0.5), (3.0, 0.1))


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_line_runs_across_the_plot_and_stays_inside() -> None:
    chart = line_chart("Loss", "", [Line("a", FALLING)], Axis("epoch"), Axis("loss"))
    points = places(chart.curves[0].path)

    assert points[0] == (LEFT, TOP)
    assert points[-1] == (WIDTH - RIGHT, HEIGHT - BOTTOM)
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in points)


def test_an_axis_covers_what_it_is_told_to_and_every_point_beyond() -> None:
    chart = line_chart("", "", [Line("a", FALLING)], Axis("", low=0, high=2), Axis("", low=0, high=1))

    assert [tick.text for tick in chart.x_ticks] == ["0", "1", "2", "3"]
    assert [tick.text for tick in chart.y_ticks] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]


@pytest.mark.parametrize("value", [0.0, 3.0, -1e20, 1e300])
def test_one_value_alone_has_room_on_both_sides(value: float) -> None:
    chart = line_chart("", "", [Line("a", ((1.0, value), (2.0, value)))], Axis(""), Axis(""))
    assert [y for _, y in places(chart.curves[0].path)] == [pytest.approx((TOP + HEIGHT - BOTTOM) / 2)] * 2
    assert len(chart.y_ticks) >= 2


@pytest.mark.parametrize("last", [1, 2, 7, 40, 1234, 1e6])
def test_ticks_are_few_round_and_on_the_axis(last: float) -> None:
    line = Line("a", ((0.0, 0.0), (last, last / 1e5)))
    chart = line_chart("", "", [line], Axis("", whole=True), Axis(""))

    for ticks in (chart.x_ticks, chart.y_ticks):
        texts = [tick.text for tick in ticks]
        assert 2 <= len(texts) <= 7
        assert len(set(texts)) == len(texts)
    assert not [tick.text for tick in chart.x_ticks if "." in tick.text]
    assert all(LEFT <= tick.at <= WIDTH - RIGHT + 0.01 for tick in chart.x_ticks)


def test_a_point_that_is_no_number_lifts_the_pen() -> None:
    line = Line("a", ((1, 1), (2, math.nan), (3, 3), (4, math.inf), (5, 2)), dots=("1", "2", "3", "4", "5"))
    curve = line_chart("", "", [line], Axis(""), Axis("")).curves[0]

    assert re.findall("[ML]", curve.path) == ["M", "M", "M"]
    assert [dot.says for dot in curve.dots] == ["1", "3", "5"]


@pytest.mark.parametrize("points", [(), ((1.0, 0.5),), ((1.0, 0.5), (1.0, 0.5)), ((1.0, math.nan),)])
def test_a_chart_of_next_to_nothing_is_drawn(points: tuple[tuple[float, float], ...]) -> None:
    chart = line_chart("", "", [Line("a", points)], Axis("", whole=True), Axis(""))
    assert chart.x_ticks
    assert chart.y_ticks
    assert "nan" not in chart.curves[0].path


def test_marks_stand_where_something_happened() -> None:
    marks = [(2, "fine-tuning"), (99, "never")]
    (mark,) = line_chart("", "", [Line("a", FALLING)], Axis(""), Axis(""), marks).marks
    assert mark.at == pytest.approx((LEFT + WIDTH - RIGHT) / 2)
    assert mark.text == "fine-tuning"


def test_what_a_chart_says_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "page.html.j2").write_text(PAGE)
    hostile = "<script>\"'"
    line = Line(hostile, FALLING, dots=(hostile,) * 3)
    chart = line_chart(hostile, hostile, [line], Axis(hostile), Axis(hostile), [(2, hostile)])
    page = render(tmp_path, "page.html.j2", chart=chart)

    assert "<script" not in page
    assert page.count("&lt;script") == 11
    assert 'aria-label="&lt;script&gt;&#34;' in page


def test_words_beside_a_mark_stand_on_its_side(tmp_path: Path) -> None:
    (tmp_path / "page.html.j2").write_text(PAGE)
    marks = [(1.5, "left of the middle"), (2.5, "right of it")]
    chart = line_chart("", "", [Line("a", FALLING)], Axis(""), Axis(""), marks)
    page = render(tmp_path, "page.html.j2", chart=chart)

    assert re.findall(r'class="(\w+)"[^>]*>(?:left|right) of', page) == ["after", "before"]
    anchors = dict(re.findall(r"\.chart text\.(after|before) \{ text-anchor: (\w+); \}", page))
    assert anchors == {"after": "start", "before": "end"}

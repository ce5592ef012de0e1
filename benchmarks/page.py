"""Figures into `docs/performance.md`: the table and the plots of each subject between markers of its own.

What people have written around the markers stays.
"""

import html
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "docs" / "performance"

Row = dict[str, object]

# Of a plot, in pixels.
NAMES, LENGTH, HEIGHT, GAP = 220, 420, 22, 8
MUCH = 10


@dataclass(frozen=True)
class Bars:
    """A plot: a bar for each name."""

    title: str
    values: dict[str, float]


@dataclass(frozen=True)
class Table:
    """The figures of a subject."""

    title: str
    says: str
    rows: list[Row]
    plots: list[Bars] = field(default_factory=list)


def show(table: Table) -> None:
    """Print the figures."""
    shown = RichTable(*table.rows[0], title=f"{table.title}. {table.says}", box=None)
    for row in table.rows:
        shown.add_row(*map(_text, row.values()))
    Console().print(shown)


def write(what: str, table: Table, machine: Row) -> None:
    """Keep the figures as JSON, the plots as SVG, and put both into the page."""
    FIGURES.mkdir(exist_ok=True)
    (FIGURES / f"{what}.json").write_text(json.dumps({**asdict(table), "machine": machine}, indent=1) + "\n")
    for number, plot in enumerate(table.plots, 1):
        (FIGURES / f"{what}-{number}.svg").write_text(svg(plot))
    begin, end = f"<!-- {what}: written by `make bench WHAT={what}` -->", f"<!-- end of {what} -->"
    before, found, rest = PAGE.read_text().partition(begin)
    _, ends, after = rest.partition(end)
    if not found or not ends:
        raise SystemExit(f"{PAGE} has no lines {begin} and {end}")
    PAGE.write_text(f"{before}{begin}\n{markdown(what, table, machine)}{end}{after}")


def markdown(what: str, table: Table, machine: Row) -> str:
    """The figures as a part of a page."""
    where = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())
    lines = [table.says, f"Measured on: {where}.", ""]
    lines += ["| " + " | ".join(table.rows[0]) + " |", "|" + "---|" * len(table.rows[0])]
    lines += ["| " + " | ".join(map(_text, row.values())) + " |" for row in table.rows]
    lines += [""]
    lines += [f"![{plot.title}](performance/{what}-{number}.svg)" for number, plot in enumerate(table.plots, 1)]
    return "\n".join(lines) + "\n"


def svg(plot: Bars) -> str:
    """A plot that reads on light and dark alike."""
    most = max(plot.values.values(), default=0) or 1.0
    height = (HEIGHT + GAP) * (len(plot.values) + 1) + GAP
    font = 'font-family="system-ui, sans-serif" font-size="13" fill="#77808d"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {NAMES + LENGTH + 90} {height}" {font}>',
        f'<text x="{NAMES}" y="{HEIGHT - 6}" font-weight="600">{html.escape(plot.title)}</text>',
    ]
    for number, (name, value) in enumerate(plot.values.items(), 1):
        top, long = number * (HEIGHT + GAP), max(1.0, LENGTH * value / most)
        lines += [
            f'<text x="{NAMES - 10}" y="{top + 15}" text-anchor="end">{html.escape(name)}</text>',
            f'<rect x="{NAMES}" y="{top}" width="{long:.1f}" height="{HEIGHT}" rx="3" fill="#4269d0"/>',
            f'<text x="{NAMES + long + 8:.1f}" y="{top + 15}">{_text(value)}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= MUCH * MUCH else f"{value:,.1f}" if value >= MUCH else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)

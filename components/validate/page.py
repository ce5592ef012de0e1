"""The page a person reads: verdict first, then the problems as pictures, then how the data looks.

One file that asks nobody for anything: no script, no request, pictures inside. It stays below what the Kubeflow UI
shows in its frame, however many images and problems there are: what does not fit is counted instead of shown.
Names of files and classes are strangers' text; the template escapes everything.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from binocular.quarantine import key
from binocular.report.pages import MOST_CHARACTERS, short
from binocular.report.pages import render as render_page
from binocular.report.pictures import MOST_PICTURE_BYTES, fitting, thumbnails
from binocular.snapshot import SPLITS, Row, Snapshot
from components.validate.figures import HEIGHT, WIDTH, class_bars, shapes, sizes
from components.validate.findings import OF_CHAMPION, TITLES, Case, File, Finding
from components.validate.report import Report

TEMPLATE = "page.html.j2"
THUMBNAIL_SIDE = 144
# A finding shows this many cases, and a case this many of its files.
MOST_CASES = 8
MOST_FILES = 3
# The sample grid shows this many classes, and of each this many images.
MOST_CLASSES = 24
MOST_SAMPLES = 8
MOST_MESSAGE_CHARACTERS = 2400


@dataclass(frozen=True)
class Shown:
    """A file on the page."""

    sha256: str
    label: str
    split: str
    name: str
    hint: str


@dataclass(frozen=True)
class Exhibit:
    """A case on the page."""

    files: tuple[Shown, ...]
    hidden: int
    note: str


@dataclass(frozen=True)
class Problem:
    """A finding on the page."""

    finding: Finding
    exhibits: tuple[Exhibit, ...]
    hidden: int


def render(report: Report, snapshot: Snapshot, folder: Path) -> str:
    """The page of a report on a snapshot whose packs lie in a folder."""
    problems = [_problem(each) for each in report.findings]
    samples = _samples(report, snapshot.rows)
    wanted = _wanted(problems, samples)
    bars, hidden_classes = class_bars(report)
    return render_page(
        Path(__file__).parent,
        TEMPLATE,
        report=report,
        problems=problems,
        clean=_clean(report),
        bars=bars,
        hidden_classes=hidden_classes,
        histograms=[sizes(snapshot.rows), shapes(snapshot.rows)] if snapshot.rows else [],
        canvas=(WIDTH, HEIGHT),
        samples=samples,
        classes=len(snapshot.classes),
        pictures=_pictures(wanted, snapshot.rows, folder),
        splits=SPLITS,
        most_message=MOST_MESSAGE_CHARACTERS,
    )


def _clean(report: Report) -> list[str]:
    """The checks that found nothing."""
    found = {each.check for each in report.findings}
    made = [check for check in TITLES if report.champion or check not in OF_CHAMPION]
    return [TITLES[check] for check in made if check not in found]


def _problem(finding: Finding) -> Problem:
    exhibits = tuple(_exhibit(each) for each in finding.cases[:MOST_CASES])
    return Problem(finding, exhibits, finding.total - len(exhibits))


def _exhibit(case: Case) -> Exhibit:
    if len(case.files) == 1:
        # Side by side also where several files are one row.
        (only,) = case.files
        places = tuple(_shown(only, place) for place in range(min(MOST_FILES, len(only.sources))))
        return Exhibit(places, len(only.sources) - len(places), case.note)
    files = tuple(_shown(each) for each in case.files[:MOST_FILES])
    return Exhibit(files, case.total - len(files), case.note)


def _shown(file: File, place: int = 0) -> Shown:
    return Shown(
        file.sha256,
        short(file.label),
        file.split or "",
        short(file.sources[place]),
        short(" = ".join(file.sources), MOST_CHARACTERS * 4),
    )


def packs(report: Report, snapshot: Snapshot) -> set[str]:
    """The packs that hold what the page shows."""
    wanted = set(_wanted([_problem(each) for each in report.findings], _samples(report, snapshot.rows)))
    return {row.place.pack for row in snapshot.rows if row.sha256 in wanted}


def _wanted(problems: Sequence[Problem], samples: Sequence[tuple[str, list[Row]]]) -> list[str]:
    """The digests of the pictures, those of problems first."""
    wanted = [shown.sha256 for shown in _all_shown(problems) if shown.sha256]
    return wanted + [row.sha256 for _, rows in samples for row in rows]


def _all_shown(problems: Iterable[Problem]) -> Iterator[Shown]:
    """Every picture of the gallery; the first exhibit of each problem first, so that each problem has some."""
    for place in range(MOST_CASES):
        for problem in problems:
            for exhibit in problem.exhibits[place : place + 1]:
                yield from exhibit.files


def _samples(report: Report, rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """A few training images of each class, spread evenly over those that are used."""
    of_class: dict[str, list[Row]] = {}
    for row in rows:
        if row.split == "train" and key(row) not in report.quarantined:
            of_class.setdefault(row.label, []).append(row)
    chosen = sorted(of_class.items())[:MOST_CLASSES]
    # Rows are sorted by digest, which is as good as drawing lots and the same every time.
    return [(label, every[:: max(1, len(every) // MOST_SAMPLES)][:MOST_SAMPLES]) for label, every in chosen]


def _pictures(wanted: Sequence[str], rows: Sequence[Row], folder: Path) -> dict[str, str]:
    """Thumbnails as data URLs, as many of the wanted ones, in their order, as the page has room for."""
    uses = set(wanted)
    made = thumbnails({row.sha256: row for row in rows if row.sha256 in uses}.values(), folder, THUMBNAIL_SIDE)
    return fitting(made, wanted, MOST_PICTURE_BYTES)

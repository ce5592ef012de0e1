"""The page a person reads: the verdict and its reasons first, then the figures, then the mistakes as pictures."""

from dataclasses import dataclass
from pathlib import Path

from binocular.report import pages
from binocular.report.pictures import MOST_PICTURE_BYTES, fitting
from binocular.report.words import counted
from binocular.verdict import Reason, Verdict
from components.evaluate import figures
from components.evaluate.evidence import Evidence
from components.evaluate.judge import RULES
from components.evaluate.mistakes import Shown
from components.evaluate.pictures import HEAT, Pictures, wanted

TEMPLATE = "page.html.j2"
MOST_REASON_CHARACTERS = 1600


@dataclass(frozen=True)
class Judgement:
    """A reason on the page."""

    name: str
    tone: str
    mark: str
    text: str


@dataclass(frozen=True)
class Wall:
    """Pictures under one heading."""

    title: str
    says: str
    shown: tuple[Shown, ...]


def render(verdict: Verdict, evidence: Evidence, pictures: Pictures) -> str:
    """The page of a verdict."""
    measures = evidence.candidate.measures if evidence.images else None
    rows, hidden_classes = figures.class_rows(evidence)
    names = [name for name in wanted(evidence.gallery) if name in pictures.urls]
    return pages.render(
        Path(__file__).parent,
        TEMPLATE,
        verdict=verdict,
        evidence=evidence,
        judgements=_judgements(verdict.reasons),
        tiles=figures.tiles(evidence) if measures else [],
        rows=rows if measures else [],
        hidden_classes=hidden_classes,
        matrix=figures.matrix(measures) if measures else [],
        pairs=figures.confused(measures) if measures else [],
        charts=figures.charts(evidence),
        costs=figures.costs(evidence),
        walls=_walls(evidence),
        pictures=fitting(pictures.urls, names, MOST_PICTURE_BYTES),
        heat=HEAT,
        note=pictures.note,
        most_reason=MOST_REASON_CHARACTERS,
    )


def _judgements(reasons: tuple[Reason, ...]) -> list[Judgement]:
    """The reasons, broken rules first, then what is worth knowing."""
    ordered = sorted(reasons, key=lambda reason: (reason.passed, not reason.noted))
    return [_judgement(reason) for reason in ordered]


def _judgement(reason: Reason) -> Judgement:
    tone, mark = ("bad", "✕") if not reason.passed else ("warn", "!") if reason.noted else ("good", "✓")
    return Judgement(RULES[reason.rule][0], tone, mark, reason.text)


def _walls(evidence: Evidence) -> list[Wall]:
    gallery = evidence.gallery
    compared = evidence.comparison.overall if evidence.comparison else None
    walls = [
        Wall(
            "The worst mistakes",
            f"{len(gallery.worst):,} of {gallery.mistakes:,}, the most confident first. Is the label right?",
            gallery.worst,
        )
    ]
    if compared:
        walls += [
            Wall(
                "Newly wrong", f"{counted(compared.broken, 'image')} that the champion gets right.", gallery.broken
            ),
            Wall(
                "Newly right", f"{counted(compared.fixed, 'image')} that the champion gets wrong.", gallery.fixed
            ),
        ]
    return [wall for wall in walls if wall.shown]

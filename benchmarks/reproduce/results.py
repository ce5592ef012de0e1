"""The page of results: means over seeds with their intervals, and beside them what would flatter them."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from benchmarks.page import ROOT
from benchmarks.reproduce.photosets import PhotoSet
from benchmarks.reproduce.strangers import Told
from benchmarks.reproduce.trials import Mistake, Outcome
from binocular.report.cards import markdown
from components.evaluate.measures import Measures
from components.train.sweep import Sweep

PAGE = ROOT / "docs" / "results.md"
TEMPLATE = Path(__file__).with_name("results.md.j2")
MOST_MISTAKES = 10
LEVEL = 0.95


@dataclass(frozen=True)
class PhotoResults:
    """What came of one set of photos."""

    photos: PhotoSet
    findings: list[str]
    outcomes: dict[str, list[Outcome]]  # by recipe, an outcome a seed
    four: Sweep


@dataclass(frozen=True)
class Strangers:
    """How well networks for one set told the photos of another, by seed."""

    of: str
    others: str
    score: str  # confidence, or familiarity
    told: list[Told]


def render(found: Sequence[PhotoResults], told: Sequence[Strangers], where: dict[str, object]) -> str:
    """The page."""
    environment = markdown(TEMPLATE.parent)
    environment.globals |= {
        "mean": mean,
        "share": share,
        "confusion": confusion,
        "worst": worst,
        "auc": _auc,
        "quickest": quickest,
    }
    return environment.get_template(TEMPLATE.name).render(found=found, told=told, where=where)


def mean(outcomes: Sequence[Outcome], value: Callable[[Outcome], float | None]) -> str:
    """The mean over seeds, with its interval where there are several: Student's, at 95 %."""
    values = [each for each in map(value, outcomes) if each is not None]
    if not values:
        return ""
    middle = f"{statistics.mean(values):.3f}"
    if len(values) == 1:
        return middle
    wide = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{middle} ± {wide:.3f}"


def share(part: str, name: str) -> Callable[[Outcome], float | None]:
    """An overall figure of the whole test side (`every`) or of what stands apart (`apart`)."""
    return lambda outcome: getattr(outcome, part).overall.get(name)


def quickest(outcomes: Sequence[Outcome]) -> Outcome:
    """Whose time says most about the recipe, and least about what else the machine did."""
    return min(outcomes, key=lambda outcome: outcome.seconds)


def _auc(told: Sequence[Told], name: str) -> str:
    values = [getattr(each, name) for each in told]
    return f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def confusion(outcomes: Sequence[Outcome]) -> list[tuple[str, list[int], str]]:
    """Label, what it was taken for (summed over the seeds), and its recall."""
    first: Measures = outcomes[0].every
    rows = []
    for place, known in enumerate(first.classes):
        cells = [sum(each.every.confusion[place][said] for each in outcomes) for said in range(len(first.classes))]
        rows.append((known.label, cells, f"{cells[place] / max(1, sum(cells)):.3f}"))
    return rows


def worst(outcomes: Sequence[Outcome]) -> list[tuple[Mistake, int]]:
    """The most confident mistakes, each with how many seeds made it."""
    seeds = Counter((each.label, each.file) for outcome in outcomes for each in outcome.mistakes)
    first: dict[tuple[str, str], Mistake] = {}  # files of two classes may have one name
    for each in sorted((m for outcome in outcomes for m in outcome.mistakes), key=lambda m: -m.confidence):
        first.setdefault((each.label, each.file), each)
    ranked = sorted(first.items(), key=lambda item: (-seeds[item[0]], -item[1].confidence))
    return [(each, seeds[image]) for image, each in ranked[:MOST_MISTAKES]]

"""What the pixels say: dark, light, blurred and empty images, and odd sizes and shapes.

The measures and scores are cleanvision's; the lines are drawn by `Thresholds`. Images are read pack by pack and
decoded small, several at once, so memory holds a few of them and some numbers of each.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binocular import snapshot
from binocular.parallel import in_parallel
from binocular.progress import with_progress
from binocular.quarantine import RowKey, key
from binocular.report.pictures import small
from binocular.report.words import counted, named, percent
from binocular.snapshot import Row
from components.validate.findings import Checked, case, finding
from components.validate.thresholds import Thresholds

if TYPE_CHECKING:
    from cleanvision.issue_managers.image_property import ImageProperty

# Longer sides are decoded down to this: brightness and entropy hardly change, and the time stays
# the same for every photo.
MOST_SIDE = 192
# A size's score is 0.5 at its threshold, on either side of the middle.
ODD_SIZE_SCORE = 0.5
# How cleanvision turns its measures into scores between 0 and 1.
_BLUR = {"normalizing_factor": 0.01, "color_threshold": 0.18}
_ENTROPY = {"normalizing_factor": 0.1}

log = logging.getLogger(__name__)

# What was measured of each image, by its digest.
Measures = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Problem:
    """One thing that can be odd about an image."""

    check: str
    issue: str  # cleanvision's name of it
    means: str  # completes "12 images ..."


PROBLEMS = (
    Problem("dark", "dark", "too dark to see much"),
    Problem("light", "light", "almost white all over"),
    Problem("blurred", "blurry", "blurred"),
    Problem("low_information", "low_information", "almost of one colour"),
    Problem("odd_size", "odd_size", "much smaller or larger than the others"),
    Problem("odd_aspect_ratio", "odd_aspect_ratio", "far longer than wide, or wider than long"),
)


@dataclass(frozen=True)
class Scores:
    """The score of each image in each problem, lower is worse, and whether it is below the line."""

    sha256: tuple[str, ...]
    values: dict[str, NDArray[np.float64]]
    odd: dict[str, NDArray[np.bool_]]


def outliers(rows: Sequence[Row], measured: Measures, thresholds: Thresholds) -> Checked:
    """What is odd about the images of a snapshot, by what was measured of each."""
    checked = Checked()
    scores = score(rows, measured, thresholds)
    by_image: dict[str, list[Row]] = {}
    for row in rows:
        by_image.setdefault(row.sha256, []).append(row)
    for problem in PROBLEMS:
        values, odd = scores.values[problem.check], scores.odd[problem.check]
        worst_first = sorted(np.flatnonzero(odd), key=lambda index: (values[index], index))
        if worst_first:
            found = [(by_image[scores.sha256[index]], float(values[index])) for index in worst_first]
            checked.add(_of_problem(problem, found, len(by_image), thresholds))
    return checked


def _of_problem(
    problem: Problem, found: Sequence[tuple[list[Row], float]], images: int, thresholds: Thresholds
) -> Checked:
    cases = [case(same, _measured(problem, same[0], value)) for same, value in found]
    training = [row for same, _ in found for row in same if row.split == "train"]
    quarantined: dict[RowKey, str] = {}
    if thresholds.quarantine_outliers:
        quarantined = {key(row): problem.means for row in training}
    message = (
        f"{counted(len(cases), 'image')} ({percent(len(cases) / images)}) {problem.means}: "
        f"{named(same[0].sources[0] for same, _ in found)}. "
    ) + (
        f"{counted(len(training), 'training image')} left out."
        if thresholds.quarantine_outliers
        else "Nothing is left out for it; thresholds.quarantine_outliers=true leaves out what is in training."
    )
    return Checked([finding(problem.check, "soft", message, cases, len(quarantined))], quarantined)


def _measured(problem: Problem, row: Row, value: float) -> str:
    if problem.check in {"odd_size", "odd_aspect_ratio"}:
        return f"{row.width} x {row.height} pixels"
    return f"score {value:.2f}" if np.isfinite(value) else "no score"


def score(rows: Sequence[Row], measured: Measures, thresholds: Thresholds) -> Scores:
    """The scores that cleanvision gives to measures."""
    # A second of imports, pandas and matplotlib among them: only whoever looks at pixels pays for it.
    import pandas as pd  # noqa: PLC0415

    ordered = _ordered(rows)
    properties, parameters = _properties(), _parameters(thresholds)
    columns = _columns(properties)
    raw = pd.DataFrame.from_records([measured[row.sha256] for row in ordered], columns=columns)
    values: dict[str, NDArray[np.float64]] = {}
    odd: dict[str, NDArray[np.bool_]] = {}
    for problem in PROBLEMS:
        seen, limit = properties[problem.issue], _limit(problem, thresholds)
        scored = seen.get_scores(raw[seen.score_columns], problem.issue, **parameters.get(problem.issue, {}))
        values[problem.check] = scored.iloc[:, 0].to_numpy(dtype=np.float64)
        odd[problem.check] = seen.mark_issue(scored, problem.issue, limit).iloc[:, 0].to_numpy(dtype=np.bool_)
    return Scores(tuple(row.sha256 for row in ordered), values, odd)


def _properties() -> dict[str, "ImageProperty"]:
    """cleanvision's measure for each problem."""
    from cleanvision.issue_managers import image_property as measures  # noqa: PLC0415 - see score

    return {
        "dark": measures.BrightnessProperty("dark"),
        "light": measures.BrightnessProperty("light"),
        "blurry": measures.BlurrinessProperty(),
        "low_information": measures.EntropyProperty(),
        "odd_size": measures.SizeProperty(),
        "odd_aspect_ratio": measures.AspectRatioProperty(),
    }


def _parameters(thresholds: Thresholds) -> dict[str, dict[str, Any]]:
    return {"blurry": _BLUR, "low_information": _ENTROPY, "odd_size": {"iqr_factor": thresholds.odd_size}}


def _limit(problem: Problem, thresholds: Thresholds) -> float:
    return ODD_SIZE_SCORE if problem.check == "odd_size" else float(getattr(thresholds, problem.check))


def measure(rows: Sequence[Row], folder: Path) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The digest and the measures of each image of a snapshot's folder, with progress in the log."""
    properties = _properties()
    of_pixels = [properties[name] for name in ("dark", "blurry", "low_information")]
    columns = _columns(properties)
    ordered = _ordered(rows)

    def measured(item: tuple[Row, bytes]) -> tuple[str, tuple[float, ...]]:
        row, data = item
        image = small(row, data, MOST_SIDE)
        found = {name: float(value) for each in of_pixels for name, value in each.calculate(image).items()}
        # Of the photo itself, not of what it was shrunk to.
        found["size"] = float(np.sqrt(float(row.width) * row.height))
        found["aspect_ratio"] = min(row.width / row.height, row.height / row.width)
        return row.sha256, tuple(found[column] for column in columns)

    done = in_parallel(os.cpu_count() or 1, measured, snapshot.images(folder, ordered))
    return with_progress(done, log, "validating", of=len(ordered))


def _columns(properties: Mapping[str, "ImageProperty"]) -> list[str]:
    """The names of the measures, in their order."""
    return [column for each in properties.values() for column in each.score_columns]


def _ordered(rows: Sequence[Row]) -> list[Row]:
    """A row an image, in the order of the packs, which is the order in which they are measured."""
    distinct = {row.sha256: row for row in rows}
    return sorted(distinct.values(), key=lambda row: (row.place.pack, row.place.offset))

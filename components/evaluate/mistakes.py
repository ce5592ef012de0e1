"""Which images a person should look at: the most confident mistakes, and where the two models disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from binocular.report.words import printable
from binocular.snapshot import Row

MOST_WORST: Final = 24
MOST_DISAGREEMENTS: Final = 12


@dataclass(frozen=True)
class Answer:
    """What a model said about an image."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Shown:
    """An image worth looking at."""

    sha256: str
    source: str
    label: str  # the right one, if the data is right
    candidate: Answer
    champion: Answer | None
    chance: float | None  # what the candidate gave the right label; None of a label it does not know


@dataclass(frozen=True)
class Gallery:
    """The images worth looking at; each list starts with the most confident candidate."""

    worst: tuple[Shown, ...] = ()
    mistakes: int = 0  # of which the worst are shown
    fixed: tuple[Shown, ...] = ()  # the candidate is right, the champion wrong
    broken: tuple[Shown, ...] = ()  # the other way round


@dataclass(frozen=True)
class Answered:
    """A model's probabilities, an image a row, and the classes they belong to."""

    probabilities: NDArray[Any]
    classes: tuple[str, ...]

    def answer(self, place: int) -> Answer:
        """The answer to the image at a place."""
        best = int(self.probabilities[place].argmax())
        return Answer(self.classes[best], float(self.probabilities[place, best]))

    def labels(self) -> NDArray[Any]:
        """The answer to each image."""
        answers: NDArray[Any] = np.array(self.classes, dtype=object)[self.probabilities.argmax(1)]
        return answers

    def right(self, rows: Sequence[Row]) -> NDArray[np.bool_]:
        """Whether each image was given its label; never where the label is unknown to the model."""
        correct: NDArray[np.bool_] = self.labels() == np.array([row.label for row in rows], dtype=object)
        return correct


def gallery(rows: Sequence[Row], candidate: Answered, champion: Answered | None) -> Gallery:
    """The images to look at."""
    right = candidate.right(rows)
    mistakes = np.flatnonzero(~right)
    if champion is None:
        return Gallery(_most_confident(rows, mistakes, candidate, None, MOST_WORST), len(mistakes))
    known = np.array([row.label in champion.classes for row in rows], dtype=np.bool_)
    champion_right = champion.right(rows)
    return Gallery(
        _most_confident(rows, mistakes, candidate, champion, MOST_WORST),
        len(mistakes),
        _most_confident(
            rows, np.flatnonzero(right & ~champion_right & known), candidate, champion, MOST_DISAGREEMENTS
        ),
        _most_confident(rows, np.flatnonzero(~right & champion_right), candidate, champion, MOST_DISAGREEMENTS),
    )


def _most_confident(
    rows: Sequence[Row], places: NDArray[Any], candidate: Answered, champion: Answered | None, most: int
) -> tuple[Shown, ...]:
    confidence = candidate.probabilities[places].max(1) if len(places) else np.zeros(0)
    ordered = sorted(zip(-confidence, places.tolist(), strict=True))[:most]
    return tuple(_shown(rows[place], place, candidate, champion) for _, place in ordered)


def _shown(row: Row, place: int, candidate: Answered, champion: Answered | None) -> Shown:
    known = row.label in candidate.classes
    return Shown(
        row.sha256,
        printable(row.sources[0]),
        row.label,
        candidate.answer(place),
        champion.answer(place) if champion else None,
        float(candidate.probabilities[place, candidate.classes.index(row.label)]) if known else None,
    )

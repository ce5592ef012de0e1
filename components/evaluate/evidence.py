"""What the gate judges by: figures of candidate and champion on the same test images, as a document.

`evaluation.json` is this document. Nothing in it depends on the gate, so that other lines can be drawn later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from binocular.documents import Document
from components.evaluate.measures import Measures
from components.evaluate.mistakes import Gallery
from components.evaluate.uncertainty import Interval, difference_interval, mcnemar

# How far the probabilities of an image may be from summing to 1, and below 0 or above 1.
MOST_OFF: Final = 1e-3


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image, as a graph in TensorFlow on the machine of the evaluation."""

    p50: float
    p95: float


@dataclass(frozen=True)
class Judged:
    """A model and how it did."""

    snapshot: str | None  # the digest of what it learnt from; None where nobody wrote it down
    architecture: str
    classes: tuple[str, ...]
    height: int
    width: int
    size: int  # bytes of model.keras, or of saved_model.pb and its variables
    latency: Latency | None
    fault: str | None  # why there are no measures: it does not load, or its answers are no probabilities
    measures: Measures | None  # on the test images whose label it knows


@dataclass(frozen=True)
class Paired:
    """Two models on the same images."""

    images: int
    both: int  # images that both get right
    fixed: int  # right now, wrong with the champion
    broken: int  # wrong now, right with the champion
    neither: int
    p: float  # McNemar's exact test, two-sided
    interval: Interval | None  # of the difference; None where nothing differs

    @property
    def candidate(self) -> float:
        """The candidate's share of right answers."""
        return (self.both + self.fixed) / self.images

    @property
    def champion(self) -> float:
        """The champion's share of right answers."""
        return (self.both + self.broken) / self.images

    @property
    def drop(self) -> float:
        """How much worse the candidate is; below 0 where it is better."""
        return (self.broken - self.fixed) / self.images


@dataclass(frozen=True)
class PairedClass:
    """Two models on the images of one class, and how far their answer can be trusted when they say it."""

    recognised: Paired
    f1: float  # of the candidate
    champion_f1: float


@dataclass(frozen=True)
class Comparison:
    """Candidate and champion on the images whose label both know."""

    added: tuple[str, ...]  # classes that only the candidate knows
    removed: tuple[str, ...]  # classes that only the champion knows
    overall: Paired | None  # None where there is no such image
    classes: dict[str, PairedClass]
    same_answers: bool  # on every image, to the digits that two copies of a model agree on


class Evidence(Document):
    """Everything that was measured."""

    snapshot: str  # the digest of the data it was judged on
    tested: dict[str, int]  # test images of each label
    unknown: dict[str, int]  # those of labels that the candidate does not know
    left_out: int  # test images that validation left out
    candidate: Judged
    champion: Judged | None
    champion_version: int | None
    comparison: Comparison | None
    gallery: Gallery

    @property
    def images(self) -> int:
        """How many test images there were."""
        return sum(self.tested.values())


def probability_fault(probabilities: NDArray[Any], names: Sequence[str]) -> str | None:
    """Why these answers, an image of these names a row, are no probabilities; None if they are."""
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(probabilities).all(1))
    if not finite.all():
        return _counted_fault(~finite, names, "hold NaN or infinity")
    inside: NDArray[np.bool_] = np.asarray(((probabilities >= -MOST_OFF) & (probabilities <= 1 + MOST_OFF)).all(1))
    if not inside.all():
        return _counted_fault(~inside, names, "hold numbers below 0 or above 1")
    off: NDArray[np.float64] = np.abs(probabilities.sum(1, dtype=np.float64) - 1)
    whole = off <= MOST_OFF
    if not whole.all():
        return _counted_fault(~whole, names, "do not sum to 1")
    return None


def _counted_fault(wrong: NDArray[np.bool_], names: Sequence[str], what: str) -> str:
    first = names[int(wrong.argmax())]
    return f"{int(wrong.sum()):,} of {len(wrong):,} answers {what} (the first is about {first})"


def paired(candidate: NDArray[np.bool_], champion: NDArray[np.bool_]) -> Paired | None:
    """The comparison of who is right about which image; None of no images."""
    if not len(candidate):
        return None
    fixed, broken = int((candidate & ~champion).sum()), int((~candidate & champion).sum())
    both = int((candidate & champion).sum())
    images = len(candidate)
    return Paired(
        images,
        both,
        fixed,
        broken,
        images - both - fixed - broken,
        mcnemar(fixed, broken),
        difference_interval(fixed, broken, images),
    )


def overall(judged: Judged | None) -> Mapping[str, float]:
    """The figures of a model that has some."""
    return judged.measures.overall if judged and judged.measures else {}

"""How much a figure could have been another one with other test images, and whether a difference is chance.

Shares (accuracy, recall) have Wilson's interval, which is sound also for few images and for no mistake at all.
What is no share has the bootstrap's: 2,000 test sets drawn with replacement from this one. A test set is drawn as
counts of the cells of its confusion matrix, which is the same as drawing its images and a thousand times faster.
Two models on the same images are compared by McNemar's exact test: of the images where just one of them is right,
each is as likely to favour either if they are equally good.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
Counts = NDArray[np.int64]

LEVEL: Final = 0.95
DRAWS: Final = 2000
# Draws are made this many at a time, so that a hundred classes fit in memory too.
CHUNK: Final = 100
SEED: Final = 1
TAILS: Final = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def share_interval(hits: int, images: int) -> Interval | None:
    """Wilson's interval of a share; None of no images."""
    from scipy.stats import binomtest  # noqa: PLC0415 - half a second that --help need not wait for

    if not images:
        return None
    found = binomtest(hits, images).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def macro_f1_interval(confusion: Counts) -> Interval | None:
    """The bootstrap's interval of the macro F1; None without a mistake, which no draw could invent."""
    truth, predicted = np.nonzero(confusion)
    if not (truth != predicted).any():
        return None
    classes, cells = len(confusion), confusion[truth, predicted]
    images = int(cells.sum())
    rng = np.random.default_rng(SEED)
    # Which cells count for which class: as its images, as its predictions, as its hits.
    of_truth = np.equal.outer(truth, np.arange(classes)).astype(np.float64)
    of_predicted = np.equal.outer(predicted, np.arange(classes)).astype(np.float64)
    drawn = np.concatenate(
        [
            macro_f1(draw @ (of_truth * of_predicted), draw @ of_truth, draw @ of_predicted)
            for draw in (rng.multinomial(images, cells / images, CHUNK) for _ in range(DRAWS // CHUNK))
        ]
    )
    return _middle(drawn)


def macro_f1(
    hits: NDArray[np.float64], images: NDArray[np.float64], predictions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """F1 averaged over the classes that have images; the last axis is the class."""
    f1 = 2 * hits / np.maximum(images + predictions, 1)
    averaged: NDArray[np.float64] = (f1 * (images > 0)).sum(-1) / np.maximum((images > 0).sum(-1), 1)
    return averaged


def difference_interval(fixed: int, broken: int, images: int) -> Interval | None:
    """The bootstrap's interval of (fixed - broken) / images; None where nothing differs."""
    if fixed + broken == 0:
        return None
    shares = np.array([fixed, broken, images - fixed - broken]) / images
    drawn = np.random.default_rng(SEED).multinomial(images, shares, DRAWS)
    return _middle((drawn[:, 0] - drawn[:, 1]) / images)


def mcnemar(fixed: int, broken: int) -> float:
    """How likely so uneven a difference, either way, is between two models that are equally good."""
    from scipy.stats import binomtest  # noqa: PLC0415 - see share_interval

    return float(binomtest(min(fixed, broken), fixed + broken).pvalue) if fixed + broken else 1.0


def _middle(drawn: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(drawn, TAILS)
    return float(low), float(high)

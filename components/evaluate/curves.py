"""ROC and precision-recall curves, thinned to what a page and the Kubeflow UI can draw.

Scores are taken to four decimals, so that a curve costs the same whether it is made of a hundred scores or of ten
million (every pair of image and class).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn

LEVELS: Final = 10_000
MOST_POINTS: Final = 80


@dataclass(frozen=True)
class Curve:
    """Points (x, y), each with the threshold at and above which the answer is yes; thresholds are finite."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    threshold: tuple[float, ...]


def roc(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve | None:
    """The true positive rate over the false positive rate; None unless there are positives and negatives."""
    if not positive.any() or positive.all():
        return None
    truth, levels, weights = _levels(positive, scores)
    false, true, threshold = sklearn.roc_curve(truth, levels, sample_weight=weights, drop_intermediate=False)
    # The first threshold, above every score, is infinite; no JSON and no Kubeflow takes that.
    return _thinned(false, true, np.minimum(threshold, 1.0))


def precision_recall(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve | None:
    """Precision over recall; None without positives."""
    if not positive.any():
        return None
    truth, levels, weights = _levels(positive, scores)
    precision, recall, threshold = sklearn.precision_recall_curve(truth, levels, sample_weight=weights)
    return _thinned(recall[::-1], precision[::-1], np.append(threshold, 1.0)[::-1])


def _levels(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """How often each level was given to positives and to negatives: (truth, level, weight)."""
    levels = np.rint(scores * LEVELS).astype(np.int64)
    truths, found, weights = [], [], []
    for truth in (True, False):
        counts = np.bincount(levels[positive == truth], minlength=LEVELS + 1)
        (places,) = np.nonzero(counts)
        truths.append(np.full(len(places), truth))
        found.append(places / LEVELS)
        weights.append(counts[places].astype(np.float64))
    return np.concatenate(truths), np.concatenate(found), np.concatenate(weights)


def _thinned(x: NDArray[Any], y: NDArray[Any], threshold: NDArray[Any]) -> Curve:
    """As many points as are drawn, spread along the length of the curve, its ends among them."""
    if len(x) > MOST_POINTS:
        length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
        places = np.searchsorted(length, np.linspace(0.0, length[-1], MOST_POINTS))
        keep = np.unique(np.concatenate([[0], np.minimum(places, len(x) - 1), [len(x) - 1]]))
        x, y, threshold = x[keep], y[keep], threshold[keep]
    return Curve(*(tuple(float(round(value, 5)) for value in each) for each in (x, y, threshold)))

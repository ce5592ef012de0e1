"""Every figure about one model's answers to images whose labels are known.

    measures = measure(["cat", "dog"], probabilities, ("cat", "dog"))
    measures.overall["accuracy"], measures.classes[0].recall

Averages are over the classes that have test images. A figure that is not defined, the recall of a class without
an image or the ROC of a class that all images belong to, is missing: absent in `overall`, None elsewhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from components.evaluate.curves import Curve, precision_recall, roc
from components.evaluate.uncertainty import Counts, Interval, macro_f1_interval, share_interval

AVERAGES: Final = ("macro", "weighted", "micro")
CALIBRATION_BINS: Final = 10

Truth = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class ClassMeasures:
    """How one class is recognised."""

    label: str
    images: int
    predicted: int  # how many images were given its label
    precision: float | None
    recall: float | None
    f1: float | None
    recall_interval: Interval | None
    roc_auc: float | None
    pr_auc: float | None
    roc: Curve | None


@dataclass(frozen=True)
class Bin:
    """The images that were answered with about the same confidence."""

    low: float
    high: float
    images: int
    confidence: float  # on average
    accuracy: float


@dataclass(frozen=True)
class Measures:
    """How one model did."""

    images: int
    overall: dict[str, float]
    intervals: dict[str, Interval]
    classes: tuple[ClassMeasures, ...]
    confusion: tuple[tuple[int, ...], ...]  # [true class][predicted class]
    calibration: tuple[Bin, ...]
    roc: Curve | None  # every pair of image and class as one question: is it?
    precision_recall: Curve | None


def measure(labels: Sequence[str], probabilities: NDArray[Any], classes: Sequence[str]) -> Measures:
    """The figures of these answers, an image a row, to images of these labels; each must be one of the classes."""
    index = {label: place for place, label in enumerate(classes)}
    truth = np.array([index[label] for label in labels], dtype=np.int64)
    # Float32 sums to 1 but for its last digits, and some models answer a hair below 0.
    shares = np.maximum(probabilities.astype(np.float64), 0)
    shares /= shares.sum(1, keepdims=True)
    predicted = shares.argmax(1)
    cells = np.bincount(truth * len(classes) + predicted, minlength=len(classes) ** 2)
    confusion = cells.reshape(len(classes), len(classes))
    every = tuple(_of_class(place, label, truth, shares, confusion) for place, label in enumerate(classes))
    bins = calibration(shares.max(1), predicted == truth)
    is_class = truth[:, None] == np.arange(len(classes))
    return Measures(
        len(truth),
        _overall(truth, shares, predicted, every, bins) if len(truth) else {},
        _intervals(confusion),
        every,
        tuple(tuple(map(int, row)) for row in confusion),
        bins,
        roc(is_class.ravel(), shares.ravel()),
        precision_recall(is_class.ravel(), shares.ravel()),
    )


def _overall(
    truth: Truth, shares: Shares, predicted: Truth, classes: Sequence[ClassMeasures], bins: Sequence[Bin]
) -> dict[str, float]:
    present = np.unique(truth)
    found: dict[str, float] = {
        "accuracy": float((truth == predicted).mean()),
        "balanced_accuracy": float(np.mean([classes[place].recall for place in present])),
        "mcc": _mcc(truth, predicted, len(classes)),
        "log_loss": float(sklearn.log_loss(truth, shares, labels=range(len(classes)))),
        "calibration_error": sum(each.images * abs(each.accuracy - each.confidence) for each in bins) / len(truth),
    }
    for average in AVERAGES:
        # Counted over all classes, micro averages are the accuracy; over the present ones they would be neither.
        labels = range(len(classes)) if average == "micro" else present
        precision, recall, f1, _ = sklearn.precision_recall_fscore_support(
            truth, predicted, labels=labels, average=average, zero_division=0
        )
        found |= {
            f"{average}_precision": float(precision),
            f"{average}_recall": float(recall),
            f"{average}_f1": float(f1),
        }
    if len(classes) > 2:  # noqa: PLR2004 - of two classes, one of the first two is always right
        best_two = np.argsort(-shares, axis=1, kind="stable")[:, :2]
        found["top_2_accuracy"] = float((best_two == truth[:, None]).any(1).mean())
    for name in ("roc_auc", "pr_auc"):
        defined = [value for each in classes if (value := getattr(each, name)) is not None]
        if defined:
            found[name] = float(np.mean(defined))
    return found


def _mcc(truth: Truth, predicted: Truth, classes: int) -> float:
    """Matthews' correlation; 0 where all labels or all answers are the same. (scikit-learn warns of that.)"""
    of_truth, of_predicted = np.bincount(truth, minlength=classes), np.bincount(predicted, minlength=classes)
    images, hits = len(truth), int((truth == predicted).sum())
    spread = (images**2 - int(of_truth @ of_truth)) * (images**2 - int(of_predicted @ of_predicted))
    return (hits * images - int(of_truth @ of_predicted)) / math.sqrt(spread) if spread else 0.0


def _intervals(confusion: Counts) -> dict[str, Interval]:
    images = int(confusion.sum())
    found = {
        "accuracy": share_interval(int(np.trace(confusion)), images),
        "macro_f1": macro_f1_interval(confusion),
    }
    return {name: interval for name, interval in found.items() if interval is not None}


def _of_class(place: int, label: str, truth: Truth, shares: Shares, confusion: Counts) -> ClassMeasures:
    hits, images, predicted = (
        int(confusion[place, place]),
        int(confusion[place].sum()),
        int(confusion[:, place].sum()),
    )
    is_class = truth == place
    ranked = bool(images) and images < len(truth)
    return ClassMeasures(
        label,
        images,
        predicted,
        # A class that has images and was never answered has earned its 0.
        precision=hits / predicted if predicted else 0.0 if images else None,
        recall=hits / images if images else None,
        f1=2 * hits / (images + predicted) if images else None,
        recall_interval=share_interval(hits, images),
        roc_auc=float(sklearn.roc_auc_score(is_class, shares[:, place])) if ranked else None,
        pr_auc=float(sklearn.average_precision_score(is_class, shares[:, place])) if ranked else None,
        roc=roc(is_class, shares[:, place]) if ranked else None,
    )


def calibration(confidence: Shares, right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """The answers by confidence, in ten bins of equal width; empty bins are left away."""
    places = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return tuple(
        Bin(
            place / CALIBRATION_BINS,
            (place + 1) / CALIBRATION_BINS,
            int((places == place).sum()),
            float(confidence[places == place].mean()),
            float(right[places == place].mean()),
        )
        for place in np.unique(places).tolist()
    )

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from components.evaluate.curves import MOST_POINTS, Curve, precision_recall, roc
from components.evaluate.measures import Measures, measure

CLASSES = ("ant", "bee", "cat", "dog")


def drawn(seed: int, images: int = 300, classes: Sequence[str] = CLASSES) -> tuple[list[str], NDArray[Any]]:
    """Labels, and probabilities that know something about them."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(classes), images, p=rng.dirichlet(np.ones(len(classes)) * 3))
    scores = rng.normal(size=(images, len(classes))) + 1.5 * np.eye(len(classes))[truth]
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return [classes[place] for place in truth], shares.astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    labels, shares = drawn(seed)
    overall = measure(labels, shares, CLASSES).overall
    truth = np.array([CLASSES.index(label) for label in labels])
    predicted = shares.argmax(1)
    exact = shares.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)

    expected = {
        "accuracy": sklearn.accuracy_score(truth, predicted),
        "balanced_accuracy": sklearn.balanced_accuracy_score(truth, predicted),
        "mcc": sklearn.matthews_corrcoef(truth, predicted),
        "log_loss": sklearn.log_loss(truth, exact),
        "top_2_accuracy": sklearn.top_k_accuracy_score(truth, exact, k=2),
        "roc_auc": sklearn.roc_auc_score(truth, exact, multi_class="ovr", average="macro"),
        "pr_auc": sklearn.average_precision_score(np.eye(len(CLASSES))[truth], exact, average="macro"),
    }
    for average in ("macro", "weighted", "micro"):
        for name in ("precision", "recall", "f1"):
            score = getattr(sklearn, f"{name}_score")(truth, predicted, average=average)
            expected[f"{average}_{name}"] = score
    assert set(overall) == {*expected, "calibration_error"}
    assert {name: overall[name] for name in expected} == pytest.approx(expected)


def test_classes_have_the_figures_of_scikit_learn() -> None:
    labels, shares = drawn(1)
    measures = measure(labels, shares, CLASSES)
    predicted = [CLASSES[place] for place in shares.argmax(1)]
    report = sklearn.classification_report(labels, predicted, output_dict=True)

    for each in measures.classes:
        expected = report[each.label]
        assert (each.precision, each.recall, each.f1) == pytest.approx(
            (expected["precision"], expected["recall"], expected["f1-score"])
        )
        assert each.images == expected["support"]
        assert each.recall_interval is not None
        assert each.recall is not None
        assert each.recall_interval[0] < each.recall < each.recall_interval[1]
    assert np.array_equal(measures.confusion, sklearn.confusion_matrix(labels, predicted, labels=CLASSES))


def test_an_answer_a_hair_below_0_counts_as_0() -> None:
    measures = measure(["ant", "bee"], np.array([[1.0005, -0.0005], [0.0, 1.0]], np.float32), ("ant", "bee"))
    assert measures.overall["accuracy"] == 1
    assert measures.overall["log_loss"] == pytest.approx(0)


def numbers(value: object) -> list[float]:
    """Every number of a nested value."""
    if isinstance(value, float | int):
        return [value]
    if isinstance(value, dict):
        return [number for each in value.values() for number in numbers(each)]
    if isinstance(value, tuple | list):
        return [number for each in value for number in numbers(each)]
    return (
        [number for each in vars(value).values() for number in numbers(each)] if hasattr(value, "__dict__") else []
    )


@pytest.mark.parametrize(
    "labels",
    [[], ["ant"], ["ant"] * 9, ["ant", "bee"], ["ant", "bee", "bee"], ["dog"]],
    ids=["nothing", "one", "one class", "two classes", "three images", "the last class"],
)
def test_what_is_not_defined_is_missing_without_a_warning(labels: list[str]) -> None:
    shares = np.tile(np.array([[0.4, 0.3, 0.2, 0.1]], np.float32), (len(labels), 1))
    measures = measure(labels, shares, CLASSES)

    assert all(map(math.isfinite, numbers(measures)))
    for each in measures.classes:
        assert (each.recall is None) == (each.label not in labels)
    if len(set(labels)) < 2:
        assert "roc_auc" not in measures.overall
    assert sum(map(sum, measures.confusion)) == len(labels)


def test_a_class_without_images_does_not_count_in_averages() -> None:
    labels = ["ant", "bee"] * 50
    shares = np.tile(np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]], np.float32), (50, 1))
    overall = measure(labels, shares, CLASSES).overall
    assert (overall["macro_f1"], overall["balanced_accuracy"]) == (1.0, 1.0)


def test_two_classes_have_no_top_2() -> None:
    labels, shares = drawn(0, classes=("ant", "bee"))
    assert "top_2_accuracy" not in measure(labels, shares, ("ant", "bee")).overall


def calibrated(confidence: float, accuracy: float) -> Measures:
    shares = np.tile(np.array([[confidence, 1 - confidence]]), (1000, 1))
    labels = ["ant"] * round(1000 * accuracy) + ["bee"] * round(1000 * (1 - accuracy))
    return measure(labels, shares, ("ant", "bee"))


def test_the_calibration_error_is_how_far_confidence_and_accuracy_are_apart() -> None:
    assert calibrated(0.75, 0.75).overall["calibration_error"] == pytest.approx(0)
    assert calibrated(0.95, 0.75).overall["calibration_error"] == pytest.approx(0.2)
    (only,) = calibrated(0.95, 0.75).calibration
    assert (only.low, only.high, only.images) == (0.9, 1.0, 1000)


def test_certainty_has_a_place_in_the_last_bin() -> None:
    assert calibrated(1.0, 0.5).calibration[0].high == 1.0


def area(curve: Curve) -> float:
    return float(np.trapezoid(curve.y, curve.x))


@pytest.mark.parametrize("seed", range(3))
def test_thinned_curves_keep_their_area(seed: int) -> None:
    labels, shares = drawn(seed, images=3000)
    positive = np.array([label == "ant" for label in labels])
    scores = shares[:, 0].astype(np.float64)
    receiver, recall = roc(positive, scores), precision_recall(positive, scores)

    assert receiver is not None
    assert recall is not None
    assert len(receiver.x) <= MOST_POINTS + 2
    assert area(receiver) == pytest.approx(sklearn.roc_auc_score(positive, scores), abs=0.005)
    assert area(recall) == pytest.approx(sklearn.average_precision_score(positive, scores), abs=0.02)
    assert (receiver.x[0], receiver.y[0], receiver.x[-1], receiver.y[-1]) == (0, 0, 1, 1)
    assert all(map(math.isfinite, receiver.threshold + recall.threshold))


def test_a_curve_needs_both_sides() -> None:
    scores = np.array([0.1, 0.9])
    assert roc(np.array([True, True]), scores) is None
    assert roc(np.array([False, False]), scores) is None
    assert precision_recall(np.array([False, False]), scores) is None
    assert roc(np.array([], dtype=np.bool_), np.array([])) is None

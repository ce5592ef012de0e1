import math

import numpy as np

from components.evaluate import kubeflow
from components.evaluate.gate import Gate
from components.evaluate.judge import judge
from tests.unit.components.evaluate.conftest import CLASSES, answered, evidence, predictions

LABELS, PREDICTED = predictions(cat=(20, 18), dog=(20, 15), fox=(20, 20))


def test_metrics_are_one_finite_float_a_row() -> None:
    both = evidence(LABELS, answered(PREDICTED, CLASSES), answered(PREDICTED, CLASSES))
    rows = kubeflow.metrics(judge(both, Gate()), both)

    assert all(type(value) is float and math.isfinite(value) for value in rows.values())
    assert (rows["promoted"], rows["test_images"]) == (1.0, 60.0)
    assert rows["accuracy"] == rows["champion_accuracy"]


def test_the_matrix_is_square_and_the_curve_without_infinity() -> None:
    drawn = kubeflow.classification(evidence(LABELS, answered(PREDICTED, CLASSES)))

    assert drawn is not None
    assert drawn.categories == list(CLASSES)
    assert [len(row) for row in drawn.matrix] == [3, 3, 3]
    assert all(type(cell) is int for row in drawn.matrix for cell in row)
    assert sum(map(sum, drawn.matrix)) == 60
    assert len(drawn.fpr) == len(drawn.tpr) == len(drawn.threshold) > 2
    assert all(math.isfinite(value) for value in drawn.fpr + drawn.tpr + drawn.threshold)


def test_answers_that_are_no_probabilities_leave_nothing_to_draw() -> None:
    sick = answered(PREDICTED, CLASSES)
    sick.probabilities[0, 0] = np.nan
    found = evidence(LABELS, sick)
    assert kubeflow.classification(found) is None
    assert kubeflow.metrics(judge(found, Gate()), found) == {"promoted": 0.0, "test_images": 60.0}


def test_kubeflow_takes_what_it_is_given() -> None:
    from kfp.dsl import ClassificationMetrics  # noqa: PLC0415 - a second that no other test should wait for

    drawn = kubeflow.classification(evidence(LABELS, answered(PREDICTED, CLASSES)))
    assert drawn is not None
    artifact = ClassificationMetrics()
    artifact.log_confusion_matrix(drawn.categories, drawn.matrix)
    artifact.log_roc_curve(drawn.fpr, drawn.tpr, drawn.threshold)
    assert set(artifact.metadata) == {"confusionMatrix", "confidenceMetrics"}

"""What the Kubeflow UI draws of an evaluation: one row a metric, a square confusion matrix, a ROC curve.

Every number is a finite Python float or int: NaN or infinity in an artifact's metadata breaks the backend.
"""

import math
from dataclasses import dataclass

from binocular.verdict import Verdict
from components.evaluate.evidence import Evidence

CHAMPION = "champion_"


@dataclass(frozen=True)
class Classification:
    """The arguments of `log_confusion_matrix` and `log_roc_curve` of a ClassificationMetrics artifact."""

    categories: list[str]
    matrix: list[list[int]]
    fpr: list[float]
    tpr: list[float]
    threshold: list[float]


def metrics(verdict: Verdict, evidence: Evidence) -> dict[str, float]:
    """One row a metric: the candidate's, then the champion's."""
    rows = {"promoted": float(verdict.decision == "promote"), "test_images": float(evidence.images)}
    rows |= verdict.candidate_metrics
    rows |= {f"{CHAMPION}{name}": value for name, value in verdict.champion_metrics.items()}
    return {name: float(value) for name, value in rows.items() if math.isfinite(value)}


def classification(evidence: Evidence) -> Classification | None:
    """The candidate's confusion matrix and ROC curve; None where its answers could not be measured."""
    measures = evidence.candidate.measures
    if measures is None:
        return None
    curve = measures.roc
    return Classification(
        categories=[each.label for each in measures.classes],
        matrix=[list(row) for row in measures.confusion],
        fpr=list(curve.x) if curve else [],
        tpr=list(curve.y) if curve else [],
        threshold=list(curve.threshold) if curve else [],
    )

"""What changed since the data that the champion learnt from: its classes, and their shares."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from binocular.report.words import counted, named, percent
from binocular.snapshot import Snapshot
from components.validate.findings import Checked, finding
from components.validate.thresholds import Thresholds

# A message about shares names this many classes.
MOST_CLASSES_NAMED = 5


def drift(snapshot: Snapshot, champion: Snapshot, thresholds: Thresholds) -> Checked:
    """Classes that came or went, and how far the label shares moved."""
    checked = Checked()
    went = sorted(set(champion.classes) - set(snapshot.classes))
    came = sorted(set(snapshot.classes) - set(champion.classes))
    if went:
        hard = not thresholds.allow_removed_classes
        message = (
            f"{counted(len(went), 'class', 'classes')} of the champion's data are gone: {named(went)}. "
            "A new model could not tell them any more"
            + (
                ": add their photos again, or allow it: thresholds.allow_removed_classes=true."
                if hard
                else "; that is allowed."
            )
        )
        checked.findings.append(finding("classes_went", "hard" if hard else "soft", message))
    if came:
        message = (
            f"{counted(len(came), 'class', 'classes')} the champion does not know: {named(came)}. "
            "The champion's figures and the new model's are about different classes."
        )
        checked.findings.append(finding("classes_came", "soft", message))
    checked.add(_shares(snapshot, champion, thresholds))
    return checked


def _shares(snapshot: Snapshot, champion: Snapshot, thresholds: Thresholds) -> Checked:
    classes = sorted({*snapshot.classes, *champion.classes})
    now, before = _label_shares(snapshot, classes), _label_shares(champion, classes)
    distance = jensen_shannon(now, before)
    if distance <= thresholds.most_drift:
        return Checked()
    most_moved = np.argsort(-np.abs(now - before), kind="stable")[:MOST_CLASSES_NAMED]
    moves = ", ".join(f"{classes[i]} {percent(before[i])} → {percent(now[i])}" for i in most_moved)
    message = (
        f"The label shares moved by {distance:.2f} (Jensen-Shannon distance, more than {thresholds.most_drift:g}) "
        f"since the champion's data: {moves}. Is that what the model will see?"
    )
    return Checked([finding("drift", "soft", message)])


def jensen_shannon(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The distance of two distributions: 0 where they are equal, 1 where they share nothing."""
    middle = (one + other) / 2

    def divergence(each: NDArray[np.float64]) -> float:
        some = each > 0
        return float(np.sum(each[some] * np.log2(each[some] / middle[some])))

    # Rounding may leave a hair below zero, whose root is no number.
    return float(np.sqrt(max(0.0, (divergence(one) + divergence(other)) / 2)))


def _label_shares(snapshot: Snapshot, classes: Sequence[str]) -> NDArray[np.float64]:
    found = Counter(row.label for row in snapshot.rows)
    counts = np.array([found[label] for label in classes], dtype=np.float64)
    return counts / max(1.0, float(counts.sum()))
